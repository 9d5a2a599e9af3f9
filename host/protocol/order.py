"""The secret order of slots: how rows and decoys lie in the slots of each repetition.

A part has names: r ≥ 0 for row r, and −1 − d for decoy d. Each repetition puts them into an order
of its own. Where the server's modulator and receiver allow it, it also mixes them: every slot then
carries a sum of all rows and decoys of the part with secret signs, by an orthogonal transformation.
So no slot is a decoy's. Light that is taken from a slot, or noise that is added to it, meets all
rows and decoys alike, and whatever a client knows of the weights does not help it to tell them
apart. Knowing order and signs, both parties undo the mixing in their readings, where it leaves the
noise as it is, since that is white over the slots.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct

from shotveil.host.protocol.wire import MOST_ROWS, invalid

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Order:
    """The order of a part's slots.

    names: What each slot carries, or the mixing takes from that place, (repetitions, slots).
    signs: The sign of each, 1 or −1, of the same shape.
    mixed: Whether slots carry sums by the discrete cosine transformation of these, which is
        orthogonal for every number of slots.
    """

    names: Integers
    signs: Integers
    mixed: bool

    @classmethod
    def draw(
        cls, names: Integers, repetitions: int, mixed: bool, rng: np.random.Generator
    ) -> Order:
        """Draw an order of `names`, (slots,), for each repetition anew; signs only if mixed."""
        drawn = rng.permuted(np.tile(names, (repetitions, 1)), axis=1)
        signs = 1 - 2 * rng.integers(0, 2, drawn.shape) if mixed else np.ones_like(drawn)
        return cls(drawn, signs, mixed)

    @classmethod
    def from_bytes(cls, data: bytes, repetitions: int, mixed: bool) -> Order:
        """Return the order that `to_bytes` wrote.

        Raises `ProtocolError` unless every repetition has the same names, each once, decoys are
        numbered from 0, and there are signs only if mixed.
        """
        width = 4 * repetitions
        if not data or len(data) % width:
            raise invalid(
                f"an order has {len(data)} bytes; allowed: a multiple of {width}, above 0"
            )
        packed = np.frombuffer(data, "<i4").reshape(repetitions, -1).astype(np.int64)
        order = cls(packed >> 1, 1 - 2 * (packed & 1), mixed)
        listed, names = order.listed, order.names
        filled = np.zeros(names.shape, dtype=bool)
        if -int(np.sum(listed < 0)) <= names.min() and names.max() <= min(
            listed[-1], MOST_ROWS - 1
        ):
            # Each name has one column, and each repetition has to fill all columns.
            np.put_along_axis(filled, order._columns, True, axis=1)
        if not filled.all():
            raise invalid("an order does not hold the same rows and decoys once in each repetition")
        if not mixed and np.any(order.signs < 0):
            raise invalid("an order has signs, but its slots are not mixed")
        return order

    def to_bytes(self) -> bytes:
        """Return the order as little-endian int32: twice the name, and 1 more for a sign of −1."""
        return (2 * self.names + (self.signs < 0)).astype("<i4").tobytes()

    def renamed(self, names: Integers) -> Order:
        """Return the order with `names[r]` in place of each row r; decoys keep their names."""
        return replace(self, names=np.where(self.names < 0, self.names, names[self.names]))

    @cached_property
    def listed(self) -> Integers:
        """The names in the part, (slots,), ascending: decoys first."""
        return np.sort(self.names[0])

    def played(self, by_name: NDArray[Any]) -> NDArray[Any]:
        """Return what slots hold, (repetitions, slots), of values with a column for each listed."""
        placed = np.take_along_axis(by_name, self._columns, axis=1)
        return self._mix(self.signs * placed, 1) if self.mixed else placed

    def named(self, played: NDArray[Any]) -> NDArray[Any]:
        """Undo `played`: return values with a column for each name listed."""
        placed = self.signs * idct(played, axis=1, norm="ortho") if self.mixed else played
        values = np.empty_like(placed)
        np.put_along_axis(values, self._columns, placed, axis=1)
        return values

    def played_rows(self, repetition: int, by_name: NDArray[Any]) -> NDArray[Any]:
        """Return what slots hold in one repetition, (slots, modes), of a row for each listed."""
        placed = by_name[self._columns[repetition]]
        return self._mix(self.signs[repetition][:, None] * placed, 0) if self.mixed else placed

    def named_rows(self, repetition: int, played: NDArray[Any]) -> NDArray[Any]:
        """Undo `played_rows`."""
        placed = played
        if self.mixed:
            placed = self.signs[repetition][:, None] * idct(played, axis=0, norm="ortho")
        rows = np.empty_like(placed)
        rows[self._columns[repetition]] = placed
        return rows

    @staticmethod
    def _mix(placed: NDArray[Any], axis: int) -> NDArray[Any]:
        return np.asarray(dct(placed, axis=axis, norm="ortho"))

    @cached_property
    def _columns(self) -> Integers:
        """The place of each name among those listed, (repetitions, slots)."""
        listed = self.listed
        lowest = min(int(listed[0]), 0)
        # A table is much faster than a search.
        table = np.zeros(int(listed[-1]) - lowest + 1, dtype=np.int64)
        table[listed - lowest] = np.arange(len(listed))
        return np.asarray(table[self.names - lowest])
