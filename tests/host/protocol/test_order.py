"""Orders of slots: what they hold, mixed or not, there and back, and what is refused."""

import numpy as np
import pytest

from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import ProtocolError

NAMES = np.array([5, 6, 7, -1, -2])


@pytest.mark.parametrize("mixed", [False, True])
def test_every_repetition_has_an_order_of_its_own(mixed):
    order = Order.draw(NAMES, 600, mixed, np.random.default_rng(1))
    assert (np.sort(order.names) == np.sort(NAMES)).all()
    for name in NAMES:
        places = np.bincount(np.nonzero(order.names == name)[1], minlength=5)
        assert np.abs(places - 120).max() < 5 * np.sqrt(96)
        signs = order.signs[order.names == name]
        assert abs(signs.mean()) < 5 / np.sqrt(600) if mixed else (signs == 1).all()
    again = Order.from_bytes(order.to_bytes(), 600, mixed)
    np.testing.assert_array_equal(again.names, order.names)
    np.testing.assert_array_equal(again.signs, order.signs)
    assert again.mixed == mixed


def test_values_come_back_to_their_names():
    rng = np.random.default_rng(2)
    order = Order.draw(NAMES, 4, False, rng)
    assert order.listed.tolist() == [-2, -1, 5, 6, 7]
    values = rng.normal(size=(4, 5))
    played = order.played(values)
    for repetition in range(4):
        for slot, name in enumerate(order.names[repetition]):
            column = [-2, -1, 5, 6, 7].index(name)
            assert played[repetition, slot] == values[repetition, column]
    np.testing.assert_array_equal(order.named(played), values)


def test_rows_of_other_names_are_read_under_those():
    rng = np.random.default_rng(3)
    order = Order.draw(NAMES, 4, True, rng)
    other = order.renamed(np.array([0, 0, 0, 0, 0, 9, 4, 2]))
    assert other.listed.tolist() == [-2, -1, 2, 4, 9] and other.mixed
    values = rng.normal(size=(4, 5))
    # Rows 5, 6 and 7 are now 9, 4 and 2.
    read = other.named(order.played(values))
    np.testing.assert_allclose(read, values[:, [0, 1, 4, 3, 2]])


@pytest.mark.parametrize("mixed", [False, True])
def test_rows_and_values_are_put_into_slots_alike(mixed):
    """What a slot holds of each mode, times the data, is what is read in that slot."""
    rng = np.random.default_rng(3)
    order = Order.draw(NAMES, 4, mixed, rng)
    rows, data = rng.normal(size=(5, 7)), rng.normal(size=(4, 7))
    played = order.played(data @ rows.T)
    for repetition in range(4):
        slots = order.played_rows(repetition, rows)
        np.testing.assert_allclose(slots @ data[repetition], played[repetition])
        np.testing.assert_allclose(order.named_rows(repetition, slots), rows)
        assert np.sum(slots**2) == pytest.approx(np.sum(rows**2)), "no light more or less"
    np.testing.assert_allclose(order.named(played), data @ rows.T)


def test_mixed_slots_hold_all_alike_and_leave_white_noise_white():
    """No slot is a decoy's: each holds as much of the decoys as of any row."""
    rng = np.random.default_rng(4)
    order = Order.draw(np.arange(-4, 60), 500, True, rng)
    decoys = np.zeros((500, 64))
    decoys[:, :4] = 1.0
    share = np.mean(order.played(decoys) ** 2, axis=0)  # of each slot, over the repetitions
    assert np.abs(share - 4 / 64).max() < 5 * (4 / 64) * np.sqrt(2 / 500)
    noise = order.named(rng.normal(size=(500, 64)))
    covariance = noise.T @ noise / 500
    assert np.abs(covariance - np.eye(64)).max() < 5 * np.sqrt(2 / 500)


@pytest.mark.parametrize(
    "names",
    [
        [[0, 1], [0, 2]],
        [[0, 1], [1, 1]],
        [[0, 0], [0, 0]],
        [[0, 0], [0, 1]],
        [[0, -2], [-2, 0]],
        [[0, -1], [0, -2]],
        [[-1, -1], [-1, -1]],
        [[0, 1 << 20], [0, 1 << 20]],
        [[0, -(1 << 30)], [0, -(1 << 30)]],
    ],
)
def test_repetitions_that_differ_in_what_they_hold_are_refused(names):
    data = Order(np.array(names), np.ones_like(names), False).to_bytes()
    with pytest.raises(ProtocolError, match="the same rows and decoys once in each repetition"):
        Order.from_bytes(data, 2, False)


@pytest.mark.parametrize("data", [b"", b"123", bytes(12)])
def test_orders_of_another_size_are_refused(data):
    with pytest.raises(ProtocolError, match=f"an order has {len(data)} bytes; allowed: a multiple"):
        Order.from_bytes(data, 2, True)


def test_signs_without_a_mixing_are_refused():
    data = Order(np.array([[0, 1]]), np.array([[1, -1]]), True).to_bytes()
    assert Order.from_bytes(data, 1, True).signs.tolist() == [[1, -1]]
    with pytest.raises(ProtocolError, match="has signs, but its slots are not mixed"):
        Order.from_bytes(data, 1, False)
