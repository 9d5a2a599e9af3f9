"""Rows that stay: what is kept, what is refused, and what lets go of it."""

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.node.row_store import SLOT_BITS, SLOTS, RowStoreModel


def filled(count=10):
    store = RowStoreModel(12)
    store.load(range(100, 100 + count))
    return store


def test_rows_are_played_in_the_order_of_their_slots():
    store = filled()
    for slot in (4, 0, 4, 7):
        store.queue(slot, 3)
    assert store.waiting == 4
    got = [store.play(3) for _ in range(5)]
    assert got == [[104, 105, 106], [100, 101, 102], [104, 105, 106], [107, 108, 109], []]
    assert store.waiting == 0 and not store.refused


@pytest.mark.parametrize("slot", [8, 10, 12, 13, 2**31])
def test_a_slot_is_refused_unless_its_whole_row_is_loaded(slot):
    store = filled()
    for each in (0, slot, 1):
        store.queue(each, 3)
    assert (store.broken, store.refused, store.refused_slot) == (True, True, slot % 16)
    # What came before it stays, and nothing behind it is taken, until all is dropped.
    assert store.play(3) == [100, 101, 102] and store.play(3) == []
    store.clear()
    store.queue(1, 3)
    assert store.waiting == 0 and store.broken and not store.refused
    store.drop()
    store.queue(7, 3)
    assert store.play(3) == [107, 108, 109] and not store.broken


def test_the_first_refused_slot_is_told_until_it_is_cleared():
    store = filled()
    for slot in (9, 8):
        store.queue(slot, 3)
        store.drop()
    assert store.refused_slot == 9
    store.clear()
    store.queue(8, 3)
    assert store.refused_slot == 8


def test_a_load_goes_on_behind_what_is_there_or_takes_its_place():
    store = filled(6)
    store.load([1, 2])
    store.rewind(3)
    assert store.loaded == 3
    store.load([7])
    store.queue(2, 3)  # the load stopped short of the row's end, behind which older symbols lie
    assert store.refused
    store.drop()
    store.load([8])
    store.queue(2, 3)
    assert store.play(3) == [102, 7, 8]
    store.rewind(6)  # there are 5
    assert store.loaded == 5


def test_nothing_is_forgotten_while_slots_wait():
    store = filled()
    store.queue(7, 3)
    store.rewind(0)
    assert store.loaded == 10 and store.play(3) == [107, 108, 109]
    store.rewind(0)
    assert store.loaded == 0


def test_another_host_finds_nothing():
    store = filled()
    store.queue(0, 3)
    store.forget()
    assert (store.loaded, store.waiting) == (0, 0)
    store.queue(0, 3)
    assert store.refused


def test_no_more_than_fits():
    store = filled()
    with pytest.raises(RangeError, match="symbols loaded = 13"):
        store.load([0] * 3)
    assert store.loaded == 10
    with pytest.raises(RangeError, match="capacity"):
        RowStoreModel(0)
    assert SLOTS < 1 << SLOT_BITS
