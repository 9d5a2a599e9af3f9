"""The rule by which a run is cut into parts, and the random generator of each part.

Images are sent in batches, and a layer's rows in blocks; a whole batch meets one block at a time.
Every block has a random generator of its own, which batch, layer and first row determine. So the
result depends neither on the number of processors nor on whether the parties are one process or
three.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shotveil.models.link.encoding import EncodedRows

IMAGES_IN_BATCH = 256
# Rows × images that are handled at once. Each array of the fast path then has 512 KiB, and some 40
# exist at a time, so they fit the processor's cache and memory use stays small for any batch.
READINGS_IN_BLOCK = 1 << 16


def row_blocks(rows: int, images: int) -> Iterator[tuple[int, int]]:
    """Yield the blocks [first, stop) of a layer of `rows` rows for a batch of `images` images."""
    size = max(1, READINGS_IN_BLOCK // images)
    for first in range(0, rows, size):
        yield first, min(first + size, rows)


@dataclass(frozen=True)
class Part:
    """The part of a layer that is sent at a time: rows [first, stop), with decoys among them.

    A part with first = stop holds no rows.

    decoys: Numbers of the decoys in the part, if it can only be sent whole. None if it may be cut;
        each decoy is then sent with the row at its place.
    """

    first: int
    stop: int
    decoys: tuple[int, ...] | None = None


def block_of(rows: EncodedRows, first: int, stop: int) -> EncodedRows:
    """Return rows [first, stop) of a layer, at the layer's scale."""
    return rows.block(first, stop)


def generator(batch: np.random.SeedSequence, *part: int) -> np.random.Generator:
    """Return the random generator of a part of a batch, such as (layer, first row)."""
    return np.random.default_rng(
        np.random.SeedSequence(batch.entropy, spawn_key=(*batch.spawn_key, *part))
    )
