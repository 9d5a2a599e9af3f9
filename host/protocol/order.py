"""The secret order of slots: which row or decoy each slot of each repetition carries.

An order is an array (repetitions, slots). A number r ≥ 0 stands for row r, and −1 − d for decoy d
of the part. Every repetition holds the same rows and decoys, each once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.protocol.wire import MOST_ROWS, invalid

Order = NDArray[np.int64]


def draw_order(names: Order, repetitions: int, rng: np.random.Generator) -> Order:
    """Draw an order of `names`, (slots,), for each repetition anew: (repetitions, slots)."""
    return rng.permuted(np.tile(names, (repetitions, 1)), axis=1)


def pack_order(order: Order) -> bytes:
    """Return the order as bytes: little-endian int32, row-major."""
    return np.ascontiguousarray(order, dtype="<i4").tobytes()


def unpack_order(data: bytes, repetitions: int) -> Order:
    """Return the order (repetitions, slots) from the bytes that `pack_order` made.

    Raises `ProtocolError` unless every repetition has the same names, each once, and decoys are
    numbered from 0.
    """
    width = 4 * repetitions
    if not data or len(data) % width:
        raise invalid(f"an order has {len(data)} bytes; allowed: a multiple of {width}, above 0")
    order = np.frombuffer(data, "<i4").reshape(repetitions, -1).astype(np.int64)
    names = names_of(order)
    decoys = int((names < 0).sum())
    filled = np.zeros(order.shape, dtype=bool)
    if -decoys <= order.min() and order.max() <= min(names[-1], MOST_ROWS - 1):
        # Each name has one column, and each repetition has to fill all columns.
        np.put_along_axis(filled, _columns(order, names), True, axis=1)
    if not filled.all():
        raise invalid("an order does not hold the same rows and decoys once in each repetition")
    return order


def names_of(order: Order) -> Order:
    """Return what an order holds, (slots,), ascending: decoys first."""
    return np.sort(order[0])


def as_played(order: Order, by_name: NDArray[Any]) -> NDArray[Any]:
    """Bring values (repetitions, slots), a column for each of `names_of`, into the order."""
    return np.take_along_axis(by_name, _columns(order, names_of(order)), axis=1)


def as_named(order: Order, played: NDArray[Any]) -> NDArray[Any]:
    """Undo `as_played`: return values with a column for each of `names_of`."""
    values = np.empty_like(played)
    np.put_along_axis(values, _columns(order, names_of(order)), played, axis=1)
    return values


def _columns(order: Order, names: Order) -> Order:
    """Return the place in `names` of each element; 0 for one that is not among them."""
    # A table is much faster than a search.
    lowest = min(int(names[0]), 0)
    table = np.zeros(int(names[-1]) - lowest + 1, dtype=np.int64)
    table[names - lowest] = np.arange(len(names))
    return table[order - lowest]
