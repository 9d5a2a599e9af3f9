"""Inference layer by layer: the server sends weights, the client normalises and activates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import repeat
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from shotveil.host.run.schedule import IMAGES_IN_BATCH, block_of, generator, row_blocks
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.encoding import Complex, Real, encode_rows
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.sufficient import read_sufficient
from shotveil.models.link.symbols import read_symbols
from shotveil.models.networks.layers import through_layers
from shotveil.models.networks.network import Network


@dataclass(frozen=True, eq=False)
class Inference:
    """The result of an inference.

    outputs: The client's readings of the last layer, shape (images, classes).
    statistics: The server's sums over the returned light, one for each layer; empty if nothing was
        verified.
    """

    outputs: Real
    statistics: tuple[SymbolStatistics, ...]

    @property
    def predictions(self) -> NDArray[np.int64]:
        """The class with the highest output for each image, shape (images,)."""
        return self.outputs.argmax(axis=1)


def infer(
    network: Network,
    images: NDArray[np.floating],
    link: Light,
    rng: np.random.Generator,
    *,
    symbol_level: bool = False,
    verify: bool = True,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Inference:
    """Run `images` (n, inputs) through every layer of `network` over the optical `link`.

    link: One link for all layers, or a sequence with one for each.
    symbol_level: Simulate every mode instead of drawing from the sufficient statistics.
    verify: Collect the server's statistics of the light that returns, layer by layer.
    threads: Number of threads; None takes as many as there are processors.
    progress: Function that is called with the number of images done since the last call.

    The result depends on `rng` alone, not on the number of processors: the work is cut into parts
    of fixed size, each with a generator of its own (`host.run.schedule`). Raises `RangeError` when
    the images or the links do not fit the network or a link carries no light, and `TypeError` when
    `rng` was not made from a seed.

    >>> from shotveil import load_mnist, load_network
    >>> images, labels = load_mnist()
    >>> from shotveil import Link
    >>> link, rng = Link(gain=1.02, photons=100), np.random.default_rng(seed=1)
    >>> seen = infer(load_network("mnist-paper"), images[:4], link, rng)
    >>> seen.outputs.shape, seen.predictions.tolist(), labels[:4].tolist()
    ((4, 10), [7, 2, 1, 0], [7, 2, 1, 0])
    """
    if images.ndim != 2 or images.shape[1] != network.inputs or not len(images):
        raise RangeError(
            f"images of shape {images.shape} do not fit; allowed: (n, {network.inputs}), n ≥ 1"
        )
    links = links_of(link, len(network.layers))
    # With less light the noise, in units of the weights, would leave the range of float32.
    for each in links:
        require("photons", each.photons, at_least=1e-12)
    read = read_symbols if symbol_level else read_sufficient
    rows = [
        encode_rows(layer.weights, each.modulation_variance)
        for layer, each in zip(network.layers, links, strict=True)
    ]

    def run(
        batch: NDArray[np.floating], child: np.random.Generator, over: Callable[..., Iterable[Any]]
    ) -> tuple[Real, list[SymbolStatistics]]:
        seeds = child.bit_generator.seed_seq
        if not isinstance(seeds, np.random.SeedSequence):
            raise TypeError("rng has no SeedSequence; allowed: numpy.random.default_rng(seed)")
        statistics: list[SymbolStatistics] = []

        def read_layer(number: int, xi: Complex) -> Real:
            blocks = list(row_blocks(network.layers[number].rows, len(xi)))
            sent = [block_of(rows[number], first, stop) for first, stop in blocks]
            random = [generator(seeds, number, first) for first, _ in blocks]
            parts = list(over(lambda s, r: read(links[number], s, xi, r, verify), sent, random))
            if verify:
                statistics.append(_pool(part.statistics for part in parts))
            return np.concatenate([part.values for part in parts], axis=1)

        outputs = through_layers(network.plan, batch, read_layer)
        progress(len(batch))
        return outputs, statistics

    batches = [images[i : i + IMAGES_IN_BATCH] for i in range(0, len(images), IMAGES_IN_BATCH)]
    children = rng.spawn(len(batches))
    workers = threads or os.cpu_count() or 1
    # Batches run in parallel, or the blocks of each batch where there are few batches. The matrix
    # products inside must then use a single thread.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:
        if len(batches) < workers:
            done = [run(b, child, pool.map) for b, child in zip(batches, children, strict=True)]
        else:
            done = list(pool.map(run, batches, children, repeat(map)))
    outputs, statistics = zip(*done, strict=True)
    return Inference(
        np.concatenate(outputs), tuple(_pool(layer) for layer in zip(*statistics, strict=True))
    )


def _pool(parts: Iterable[SymbolStatistics | None]) -> SymbolStatistics:
    return reduce(add, (part.pooled() for part in parts if part is not None))
