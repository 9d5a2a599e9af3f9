"""The frame that carries one row of weights, as the drive sends it and the digitiser reads it.

A frame is a sequence of symbols, one complex mode each:

    preamble | pilots, row, pilots, row, …, pilots | vacuum | guard

* **preamble**: it marks the start of the frame. It is the Frank code of length 16, repeated or cut
  to the preamble's length. Its symbols are the four diagonal phases, so a correlator needs no
  multiplier, and its periodic autocorrelation is zero off the peak (R. Frank, IEEE Trans. Inf.
  Theory 9, 43 (1963)).
* **pilots**: a group comes before every `pilot_spacing` symbols of the row and one after the last
  symbol, so that every row symbol has pilots on both sides to track a drifting phase. Pilots have
  the phases +45° and −45° in turn, and every second pair is the opposite of the pair before it. The
  sum of a pair shows the cosine of a phase error and its difference the sine, even to a homodyne
  detector, which sees one quadrature. The mean of four is zero, as that of a row is about.
* **row**: symbol k carries the weights w_{2k−1} and w_{2k} in its two quadratures.
* **vacuum**: nothing is sent; the receiver measures its offset and shot noise here.
* **guard**: nothing is sent while the tail of the pulse decays, so frames do not overlap.

Preamble and pilots are sent at the *reference* level, which does not depend on the row's scale.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import require

# The largest number of symbols in one section of a frame; the row is a section too.
CAPACITY = 4096


class Slot(enum.IntEnum):
    """What a symbol of a frame is for."""

    PREAMBLE = 0
    PILOT = 1
    ROW = 2
    VACUUM = 3
    GUARD = 4


# Phases of the Frank code in quarter turns, on top of +45°.
FRANK = tuple(j * k % 4 for j in range(4) for k in range(4))
# Quarter turns of the pilots, on top of +45°. In a frame of four, light that leaks through the
# modulator, and an offset of the receiver, add to the one what they take from its opposite.
PILOTS = (0, 3, 2, 1)


@dataclass(frozen=True)
class FrameLayout:
    """Lengths of a frame's sections, in symbols.

    The default carries a row of 784 weights, and 90.7 % of its symbols are row symbols. Raises
    `RangeError` for a length out of range.
    """

    preamble: int = 16
    row: int = 392
    pilots: int = 1  # in each group; 0 for none
    pilot_spacing: int = 56  # row symbols between two groups
    vacuum: int = 8
    guard: int = 8

    def __post_init__(self) -> None:
        # The first row symbol takes 4 clocks to reach the head of its buffer, which must happen
        # before the preamble ends.
        require("preamble", self.preamble, at_least=4, at_most=CAPACITY, integer=True)
        require("row", self.row, at_least=1, at_most=CAPACITY, integer=True)
        require("pilots", self.pilots, at_least=0, at_most=CAPACITY, integer=True)
        require("pilot_spacing", self.pilot_spacing, at_least=1, at_most=CAPACITY, integer=True)
        require("vacuum", self.vacuum, at_least=0, at_most=CAPACITY, integer=True)
        require("guard", self.guard, at_least=2, at_most=CAPACITY, integer=True)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the length fields, in the order of their definition."""
        return tuple(field.name for field in dataclasses.fields(cls))

    @property
    def groups(self) -> int:
        """Number of pilot groups."""
        return -(-self.row // self.pilot_spacing) + 1 if self.pilots else 0

    @property
    def length(self) -> int:
        """Number of symbols in a frame."""
        return self.preamble + self.groups * self.pilots + self.row + self.vacuum + self.guard

    def slots(self) -> npt.NDArray[np.int8]:
        """The `Slot` of each symbol, shape (length,), read-only."""
        return _slots(self)

    def references(self) -> npt.NDArray[np.int8]:
        """Signs of preamble and pilots in both quadratures, 0 elsewhere, shape (2, length)."""
        return _references(self)


def diagonal(turns: npt.ArrayLike) -> npt.NDArray[np.int8]:
    """Signs of cosine and sine at 45° plus `turns` quarter turns (…); shape (2, …)."""
    turn = np.asarray(turns) % 4
    negative = np.stack([(turn == 1) | (turn == 2), turn >= 2])
    return np.where(negative, -1, 1).astype(np.int8)


@functools.lru_cache(maxsize=64)
def _slots(layout: FrameLayout) -> npt.NDArray[np.int8]:
    middle: list[int] = []
    for start in range(0, layout.row, layout.pilot_spacing):
        middle += [Slot.PILOT] * layout.pilots
        middle += [Slot.ROW] * min(layout.pilot_spacing, layout.row - start)
    middle += [Slot.PILOT] * layout.pilots
    ends = [Slot.VACUUM] * layout.vacuum + [Slot.GUARD] * layout.guard
    slots = np.array([Slot.PREAMBLE] * layout.preamble + middle + ends, dtype=np.int8)
    slots.setflags(write=False)
    return slots


@functools.lru_cache(maxsize=64)
def _references(layout: FrameLayout) -> npt.NDArray[np.int8]:
    slots = _slots(layout)
    signs = np.zeros((2, layout.length), dtype=np.int8)
    for slot, code in ((Slot.PREAMBLE, FRANK), (Slot.PILOT, PILOTS)):
        (where,) = np.nonzero(slots == slot)
        signs[:, where] = diagonal(np.resize(np.array(code), len(where)))
    signs.setflags(write=False)
    return signs
