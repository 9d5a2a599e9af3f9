"""One run: test images through a network over a link, with all that a report needs of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.inference import Inference, infer
from host.summary import summarise
from models.checks import RangeError, require
from models.mnist import load_mnist
from models.network import Network
from models.optics import Link


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: images (n, pixels) with their labels, outputs, and the summary of all."""

    network: Network
    images: NDArray[np.float32]
    labels: NDArray[np.uint8]
    link: Link
    inference: Inference
    summary: dict[str, Any]
    seed: int


def run(
    network: Network,
    link: Link,
    *,
    images: int | None = None,
    data: Path | None = None,
    seed: int = 1,
    symbol_level: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Run:
    """Classify the first `images` test images, all if None, shipped or from the folder `data`.

    `progress` is called with the number of images done since the last call, and the total.
    Raises `RangeError` for a seed below 0, more images than there are, images that do not fit.
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
    inference = infer(
        network,
        pixels,
        link,
        np.random.default_rng(seed),
        symbol_level=symbol_level,
        progress=lambda done: progress(done, len(pixels)),
    )
    seconds = time.perf_counter() - start
    summary = summarise(network, labels, link, inference, seconds, seed)
    summary["symbol_level"] = symbol_level
    return Run(network, pixels, labels, link, inference, summary, seed)
