"""Edges of the trigger input let frames start."""

import numpy as np

from shotveil.models.node import trigger


def line(n, *clocks):
    out = np.zeros(n, np.int64)
    out[list(clocks)] = 1
    return out


def test_an_edge_lets_one_frame_start_after_its_delay():
    level = np.zeros(60, np.int64)
    level[10:20] = 1  # one edge, however long
    for delay in (0, 7):
        hold = trigger.model(level, line(60, 40), 1, delay)
        low = 10 + trigger.LATENCY + delay
        assert np.nonzero(hold == 0)[0].tolist() == list(range(low, 41))
    # High from the first clock on is an edge.
    assert trigger.model(np.ones(20, int), line(20), 1, 0).tolist() == [1] * 6 + [0] * 14


def test_without_a_trigger_nothing_is_held():
    assert trigger.model(line(30, 5), line(30, 8), 0, 3).tolist() == [0] * 30


def test_an_edge_that_comes_before_the_last_was_used_adds_nothing():
    hold = trigger.model(line(60, 5, 9, 30), line(60, 20, 50), 1, 0)
    low = [*range(11, 21), *range(36, 51)]
    assert np.nonzero(hold == 0)[0].tolist() == low
    # A frame that starts in the clock of the release uses it.
    hold = trigger.model(line(30, 5), line(30, 11), 1, 0)
    assert np.nonzero(hold == 0)[0].tolist() == [11]


def test_sixteen_edges_may_be_on_their_way():
    edges = list(range(0, 32, 2))
    n, delay = 400, 100

    def released(*more):
        hold = trigger.model(line(n, *edges, *more), np.ones(n, int), 1, delay)
        return np.nonzero(hold == 0)[0].tolist()

    first = [edge + delay + 6 for edge in edges]
    assert len(first) == trigger.PENDING == 16 and trigger.DELAY_BITS == 24
    assert released() == first
    # The next finds room when it is registered behind the first one's release.
    assert released(40) == released(103) == first
    assert released(104) == [*first, 210]
