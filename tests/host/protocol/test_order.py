"""Orders of slots: what they hold, there and back, and what is refused."""

import numpy as np
import pytest

from shotveil.host.protocol.order import (
    as_named,
    as_played,
    draw_order,
    names_of,
    pack_order,
    unpack_order,
)
from shotveil.host.protocol.wire import ProtocolError

NAMES = np.array([5, 6, 7, -1, -2])


def test_every_repetition_has_an_order_of_its_own():
    order = draw_order(NAMES, 600, np.random.default_rng(1))
    assert (np.sort(order) == np.sort(NAMES)).all()
    for name in NAMES:
        places = np.bincount(np.nonzero(order == name)[1], minlength=5)
        assert np.abs(places - 120).max() < 5 * np.sqrt(96)
    np.testing.assert_array_equal(unpack_order(pack_order(order), 600), order)


def test_values_come_back_to_their_names():
    rng = np.random.default_rng(2)
    order = draw_order(NAMES, 4, rng)
    assert names_of(order).tolist() == [-2, -1, 5, 6, 7]
    values = rng.normal(size=(4, 5))
    played = as_played(order, values)
    for repetition in range(4):
        for slot, name in enumerate(order[repetition]):
            column = [-2, -1, 5, 6, 7].index(name)
            assert played[repetition, slot] == values[repetition, column]
    np.testing.assert_array_equal(as_named(order, played), values)


@pytest.mark.parametrize(
    "order",
    [
        [[0, 1], [0, 2]],
        [[0, 1], [1, 1]],
        [[0, 0], [0, 0]],
        [[0, 0], [0, 1]],
        [[0, -2], [-2, 0]],
        [[0, -1], [0, -2]],
        [[-1, -1], [-1, -1]],
        [[0, 1 << 20], [0, 1 << 20]],
        [[0, -(1 << 31)], [0, -(1 << 31)]],
    ],
)
def test_repetitions_that_differ_in_what_they_hold_are_refused(order):
    with pytest.raises(ProtocolError, match="the same rows and decoys once in each repetition"):
        unpack_order(pack_order(np.array(order)), 2)


@pytest.mark.parametrize("data", [b"", b"123", bytes(12)])
def test_orders_of_another_size_are_refused(data):
    with pytest.raises(ProtocolError, match=f"an order has {len(data)} bytes; allowed: a multiple"):
        unpack_order(data, 2)
