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
from shotveil.host.run.samples import load_samples
from shotveil.host.run.summary import summarise
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network
from shotveil.models.networks.samples import Samples


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A finished run.

    images, labels: The images, shape (n, pixels), and their classes, shape (n,), as the network's
        task names them.
    links: The link of each layer, as the backend declared it.
    inference: The client's outputs and the server's statistics.
    summary: The results as plain values (`host.run.summary`).
    """

    network: Network
    images: NDArray[np.float32]
    labels: NDArray[Any]
    links: tuple[Link, ...]
    inference: Inference
    summary: dict[str, Any]
    seed: int

    @property
    def link(self) -> Link:
        """The link of the first layer, which is the one that meets the images."""
        return self.links[0]

    @property
    def predictions(self) -> NDArray[Any]:
        """What the client learns of each image, shape (n,)."""
        return self.network.plan.task.of(self.inference.outputs)


def classified(network: Network, samples: Samples) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return samples as images (n, inputs) and their classes (n,), as the network's task has them.

    Raises `RangeError` for a network that does not answer with classes, and for samples without
    labels or with labels that are none of them.
    """
    _, labels = samples.labelled("counting right answers")
    task = network.plan.task
    if not task.chooses:
        raise RangeError(
            f"network {network.name} answers with {task.kind}; allowed: with one class for each "
            "image, as right answers are counted"
        )
    return samples.flat, task.truth(labels, network.outputs)


def run(
    network: Network,
    link: Light,
    *,
    images: int | None = None,
    data: Path | None = None,
    label: str | None = None,
    seed: int = 1,
    symbol_level: bool = False,
    backend: str = "optics",
    impairments: str = "realistic",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FinishedRun:
    """Classify test images through a network over a link.

    link: One link for all layers, or a sequence with one for each.
    images: Number of images, from the first on; None takes all.
    data: File or folder with the test images (`host.run.samples`); None takes those that come
        with Shotveil.
    label: Name of a table's column with the labels.
    seed: Seed of all randomness, ≥ 0.
    symbol_level: Whether to simulate every mode, where the backend has a choice.
    backend: Name of what carries the light (`host.run.backends`). "optics" simulates the link by
        itself; "model" and "rtl" simulate both nodes, and the link between them sample by sample.
    impairments: Name of a set of impairments, for a backend that works sample by sample.
    progress: Function that is called with the number of images done since the last call, and with
        the total number.

    The links of the finished run are those that the backend declares. Raises `RangeError` for a
    seed below 0, more images than there are, images or labels that do not fit, a network that does
    not answer with classes, or a backend that no package offers.
    """
    require("seed", seed, at_least=0)
    samples = load_samples(data, "test", label).first(images)
    pixels, truth = classified(network, samples)
    start = time.perf_counter()
    work = InferenceTask(
        network,
        pixels,
        link,
        seed,
        symbol_level=symbol_level,
        impairments=impairments,
        progress=lambda done: progress(done, len(pixels)),
    )
    result = backend_named(backend)(work)
    seconds = time.perf_counter() - start
    summary = summarise(network, truth, result.link, result.inference, seconds, seed)
    summary["symbol_level"] = result.symbol_level
    summary["backend"] = backend
    if result.calibration is not None:
        summary["calibration"] = result.calibration
    links = links_of(result.link, len(network.layers))
    return FinishedRun(network, pixels, truth, links, result.inference, summary, seed)
