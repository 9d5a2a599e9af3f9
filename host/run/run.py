"""A run of test images through a network over a link, with everything that a report needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.run.backends import InferenceTask, backend_named
from shotveil.host.run.inference import Inference
from shotveil.host.run.summary import summarise
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Network


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A finished run.

    images, labels: The images, shape (n, pixels), and their classes, shape (n,).
    links: The link of each layer, as the backend declared it.
    inference: The client's outputs and the server's statistics.
    summary: The results as plain values (`host.run.summary`).
    """

    network: Network
    images: NDArray[np.float32]
    labels: NDArray[np.uint8]
    links: tuple[Link, ...]
    inference: Inference
    summary: dict[str, Any]
    seed: int

    @property
    def link(self) -> Link:
        """The link of the first layer, which is the one that meets the images."""
        return self.links[0]


def run(
    network: Network,
    link: Light,
    *,
    images: int | None = None,
    data: Path | None = None,
    seed: int = 1,
    symbol_level: bool = False,
    backend: str = "optics",
    impairments: str = "realistic",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FinishedRun:
    """Classify test images through a network over a link.

    link: One link for all layers, or a sequence with one for each.
    images: Number of images, from the first on; None takes all.
    data: Folder with the test images; None takes those that come with Shotveil.
    seed: Seed of all randomness, ≥ 0.
    symbol_level: Whether to simulate every mode, where the backend has a choice.
    backend: Name of what carries the light (`host.run.backends`). "optics" simulates the link by
        itself; "model" and "rtl" simulate both nodes, and the link between them sample by sample.
    impairments: Name of a set of impairments, for a backend that works sample by sample.
    progress: Function that is called with the number of images done since the last call, and with
        the total number.

    The links of the finished run are those that the backend declares. Raises `RangeError` for a
    seed below 0, more images than there are, images that do not fit, or a backend that no package
    offers.
    """
    require("seed", seed, at_least=0)
    pixels, labels = load_mnist(data, "test")
    if images is not None:
        require("images", images, at_least=1, at_most=len(pixels))
        pixels, labels = pixels[:images], labels[:images]
    if network.outputs <= int(labels.max()):
        raise RangeError(
            f"network {network.name} has {network.outputs} outputs; "
            f"allowed: at least {int(labels.max()) + 1}, one for each class"
        )
    start = time.perf_counter()
    task = InferenceTask(
        network,
        pixels,
        link,
        seed,
        symbol_level=symbol_level,
        impairments=impairments,
        progress=lambda done: progress(done, len(pixels)),
    )
    result = backend_named(backend)(task)
    seconds = time.perf_counter() - start
    summary = summarise(network, labels, result.link, result.inference, seconds, seed)
    summary["symbol_level"] = result.symbol_level
    summary["backend"] = backend
    if result.calibration is not None:
        summary["calibration"] = result.calibration
    links = links_of(result.link, len(network.layers))
    return FinishedRun(network, pixels, labels, links, result.inference, summary, seed)
