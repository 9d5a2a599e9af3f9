"""Layerwise inference: the client normalises and activates, the server sends a layer at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from models.checks import RangeError
from models.encoding import EncodedRows, Real, directions, encode_rows
from models.network import Network
from models.optics import Link
from models.statistics import SymbolStatistics
from models.sufficient import read_sufficient
from models.symbols import Readout, read_symbols

# Rows × images handled at once by one thread: 512 KiB for each array of the fast path, of which
# some 40 are alive, so that they stay in the cache and memory stays small whatever the batch.
READINGS_IN_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class Inference:
    """outputs: (images, classes) as the client reads them. statistics: the server's, one a layer.

    statistics is empty where nothing was verified.
    """

    outputs: Real
    statistics: tuple[SymbolStatistics, ...]

    @property
    def predictions(self) -> NDArray[np.int64]:
        """The class of highest output for each image, (images,)."""
        return self.outputs.argmax(axis=1)


def infer(
    network: Network,
    images: NDArray[np.floating],
    link: Link,
    rng: np.random.Generator,
    *,
    symbol_level: bool = False,
    verify: bool = True,
    progress: Callable[[int], None] = lambda done: None,
) -> Inference:
    """Run `images` (n, inputs) through every layer of `network` over the optical `link`.

    symbol_level: simulate every mode instead of drawing from the sufficient statistics.
    verify: gather the server's statistics of the light that returns, layer by layer.
    progress: called with the number of images done since the last call.

    The result depends on `rng` alone, not on the number of processors: images are cut into chunks
    of fixed size, each with a generator of its own. Raises `RangeError` when the images do not fit
    the network or the link carries no light.
    """
    if images.ndim != 2 or images.shape[1] != network.inputs or not len(images):
        raise RangeError(
            f"images of shape {images.shape} do not fit; allowed: (n, {network.inputs}), n ≥ 1"
        )
    if link.photons == 0:
        raise RangeError("photons = 0 is outside (0, ∞): inference needs light")
    read = read_symbols if symbol_level else read_sufficient
    rows = [encode_rows(layer.weights, link.modulation_variance) for layer in network.layers]

    def run(chunk: NDArray[np.floating], child: np.random.Generator) -> list[Readout]:
        readouts: list[Readout] = []
        data: NDArray[np.floating] = chunk
        for layer, encoded in zip(network.layers, rows, strict=True):
            if readouts:
                data = np.maximum(readouts[-1].values, 0)
            readouts.append(_measure(read, link, encoded, layer.inputs_of(data), child, verify))
        progress(len(chunk))
        return readouts

    size = max(1, READINGS_IN_CHUNK // max(layer.rows for layer in network.layers))
    chunks = [images[i : i + size] for i in range(0, len(images), size)]
    # Chunks run in parallel, so the matrix products inside each must not.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(run, chunks, rng.spawn(len(chunks))))
    return Inference(
        np.concatenate([readouts[-1].values for readouts in done]),
        tuple(_pool(layer) for layer in zip(*done, strict=True)) if verify else (),
    )


def _measure(
    read: Callable[..., Readout],
    link: Link,
    rows: EncodedRows,
    data: NDArray[np.floating],
    rng: np.random.Generator,
    verify: bool,
) -> Readout:
    """One layer: the norm stays with the client, which multiplies it back onto what it reads."""
    xi, norms = directions(data)
    seen = read(link, rows, xi, rng, verify)
    return Readout(seen.values * norms[:, None], seen.statistics)


def _pool(readouts: Sequence[Readout]) -> SymbolStatistics:
    return reduce(add, (r.statistics.pooled() for r in readouts if r.statistics is not None))
