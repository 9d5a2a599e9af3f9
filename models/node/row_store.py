"""The row store: rows that stay at the node. Integer model of `gateware.node.row_store`.

A host loads the rows of a network once, and a batch is then a list of *slots*. A slot is the number
of the symbol at which a row begins; the row is as long as the frame's layout says. The store is a
tape: words that are loaded are put behind those that are there, and `rewind` goes back to a place,
from which on all is forgotten. So there is no row of which a part is old and a part is new, and a
load that stops short leaves no row that can be played: a slot is refused unless all of its row is
loaded. No slot behind a refused one is taken until those that wait are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable

from shotveil.models.common.checks import require

SLOTS = 1024  # slots that wait at the node
SLOT_BITS = 11  # of their number; a few more than `SLOTS` may wait


class RowStoreModel:
    """The symbols of rows, packed as words, and the slots that wait to be played.

    capacity: Number of symbols that fit.

    `refused_slot` is the first slot that was refused, as many bits of it as the register shows.
    """

    def __init__(self, capacity: int) -> None:
        require("capacity", capacity, at_least=1, integer=True)
        self.capacity = capacity
        self._words: list[int] = []
        self._waiting: list[int] = []
        self.broken = False  # a slot was refused, and what waits was not dropped since
        self.refused = False
        self.refused_slot = 0

    @property
    def loaded(self) -> int:
        """Number of symbols that were loaded and not forgotten."""
        return len(self._words)

    @property
    def waiting(self) -> int:
        """Number of slots that wait."""
        return len(self._waiting)

    def load(self, words: Iterable[int]) -> None:
        """Put words behind those that are there. Raises `RangeError` if they do not fit."""
        more = list(words)
        require("symbols loaded", len(self._words) + len(more), at_most=self.capacity)
        self._words += more

    def rewind(self, place: int) -> None:
        """Forget all from `place` on; nothing happens if slots wait, or it is beyond the end."""
        if not self._waiting:
            del self._words[place:]

    def forget(self) -> None:
        """Forget all: another host has come."""
        self.drop()
        self._words.clear()

    def drop(self) -> None:
        """Drop the slots that wait."""
        self._waiting.clear()
        self.broken = False

    def clear(self) -> None:
        """Reset `refused`, which tells what went wrong; slots are still dropped if it did."""
        self.refused = False

    def queue(self, slot: int, row: int) -> None:
        """Take a slot whose row has `row` symbols, or refuse it."""
        if self.broken:
            return
        if slot + row <= len(self._words):
            self._waiting.append(slot)
            return
        if not self.refused:
            self.refused_slot = slot % (1 << (self.capacity - 1).bit_length())
        self.broken = self.refused = True

    def play(self, row: int) -> list[int]:
        """Return the words of the next slot's row, none if no slot waits."""
        if not self._waiting:
            return []
        slot = self._waiting.pop(0)
        return self._words[slot : slot + row]
