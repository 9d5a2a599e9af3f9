"""How a run is cut into parts, and which randomness each part has: the same wherever it runs.

Images go in batches; of a layer's rows, a block at a time meets the whole batch. Every block has a
random generator of its own, named by batch, layer and first row, so that neither the number of
processors nor whether the parties are one process or three changes a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shotveil.models.link.encoding import EncodedRows

IMAGES_IN_BATCH = 256
# Rows × images handled at once: 512 KiB for each array of the fast path, of which some 40 are
# alive, so that they stay in the cache and memory stays small whatever the batch.
READINGS_IN_BLOCK = 1 << 16


def row_blocks(rows: int, images: int) -> Iterator[tuple[int, int]]:
    """Blocks [first, stop) of a layer's rows for a batch of `images`."""
    size = max(1, READINGS_IN_BLOCK // images)
    for first in range(0, rows, size):
        yield first, min(first + size, rows)


@dataclass(frozen=True)
class Part:
    """What of a layer is sent at a time: rows [first, stop), none of them where first = stop.

    decoys: which go with them, where a layer is sent whole or not at all; None: those whose places
    are among the rows, however many of the rows are sent.
    """

    first: int
    stop: int
    decoys: tuple[int, ...] | None = None


def block_of(rows: EncodedRows, first: int, stop: int) -> EncodedRows:
    """Rows [first, stop) at the scale of the layer."""
    return EncodedRows(rows.x[first:stop], rows.p[first:stop], rows.scale)


def generator(batch: np.random.SeedSequence, *part: int) -> np.random.Generator:
    """The generator of a part of a batch, e.g. (layer, first row)."""
    return np.random.default_rng(
        np.random.SeedSequence(batch.entropy, spawn_key=(*batch.spawn_key, *part))
    )
