"""A wire for tests, worse than any real one: it damages, loses, repeats and reorders frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shotveil.models.common.checks import require
from shotveil.models.host_link.cobs import DELIMITER

BATCH = 4096  # random numbers drawn at a time
LATEST = 4  # the most frames that may overtake a late one


@dataclass(frozen=True)
class WireFaults:
    """Probabilities of the faults; each frame has at most one fault.

    Raises `RangeError` for a probability outside [0, 1] and for a sum above 1.
    """

    corrupt: float = 0.0  # bytes are changed, cut off or added; the delimiter may be among them
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0  # the frame comes up to `LATEST` frames late

    def __post_init__(self) -> None:
        for name in ("corrupt", "drop", "duplicate", "reorder"):
            require(name, getattr(self, name), at_least=0, at_most=1)
        total = self.corrupt + self.drop + self.duplicate + self.reorder
        require("sum of the impairments", total, at_most=1)


class Wire:
    """One direction of the wire, for a stream of bytes; `counts` counts its frames by fault."""

    def __init__(self, impairments: WireFaults, rng: np.random.Generator):
        names = ("corrupt", "drop", "duplicate", "reorder")
        self._names = (*names, "good")
        self._edges = np.cumsum([getattr(impairments, name) for name in names])
        self._rng = rng
        self._fates = self._draw()
        self._pending = b""
        self._late: list[tuple[int, bytes]] = []  # frames to wait for, and the frame
        self.counts = dict.fromkeys(self._names, 0)

    @property
    def frames(self) -> int:
        """Number of frames that went in."""
        return sum(self.counts.values())

    def carry(self, data: bytes) -> bytes:
        """The bytes that come out when `data` goes in. An unfinished frame waits for its end."""
        *frames, self._pending = (self._pending + data).split(DELIMITER)
        return b"".join(self._carried(frame + DELIMITER) for frame in frames)

    def _carried(self, frame: bytes) -> bytes:
        fate = self._names[next(self._fates)]
        self.counts[fate] += 1
        out = b""
        if fate == "good":
            out = frame
        elif fate == "corrupt":
            out = damaged(frame, self._rng)
        elif fate == "duplicate":
            out = frame + frame
        if self._late:
            self._late = [(left - 1, late) for left, late in self._late]
            out += b"".join(late for left, late in self._late if not left)
            self._late = [(left, late) for left, late in self._late if left]
        if fate == "reorder":
            self._late.append((int(self._rng.integers(1, LATEST + 1)), frame))
        return out

    def _draw(self) -> Iterator[int]:
        while True:
            drawn = np.searchsorted(self._edges, self._rng.random(BATCH), side="right")
            yield from drawn.tolist()


def damaged(frame: bytes, rng: np.random.Generator) -> bytes:
    """The frame without its beginning or end, with a changed bit or byte, or with extra bytes."""
    kind = rng.integers(5)
    place = int(rng.integers(len(frame)))
    changed = bytearray(frame)
    if kind == 0:
        del changed[: place + 1]
    elif kind == 1:
        del changed[place:]  # the delimiter goes too, so the frame runs into the next one
    elif kind == 2:
        changed[place] ^= 1 << int(rng.integers(8))
    elif kind == 3:
        changed[place] = (changed[place] + int(rng.integers(1, 256))) % 256
    else:
        changed[place:place] = rng.bytes(int(rng.integers(1, 20)))
    return bytes(changed)
