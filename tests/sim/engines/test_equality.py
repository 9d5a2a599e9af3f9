"""The comparison of design and model finds every kind of difference, and says where it is."""

import re

import numpy as np
import pytest

from shotveil.sim.engines.equality import Case, check
from shotveil.sim.engines.run import Result, Run


class Recorded:
    """A bench that gives what it was told to."""

    def __init__(self, *outputs, status=None):
        self.outputs, self.status, self.played = outputs, status or {}, []

    def run(self, *runs):
        self.played += runs
        return [Result(o, self.status, {}, {}, 9, 0.1) for o in self.outputs]


def array(*values):
    return np.array(values, dtype=np.int64)


def test_equal_runs_give_their_results():
    bench = Recorded({"o": array(1, 2)}, {"o": {"x": array(3), "y": array(4)}}, status={"n": 2})
    cases = [
        Case(Run(seed=1), {"o": array(1, 2)}, {"n": 2}),
        Case(Run(seed=2), {"o": {"x": array(3), "y": array(4)}}),
    ]
    assert [r.clocks for r in check(bench, cases)] == [9, 9]
    assert bench.played == [case.run for case in cases]


@pytest.mark.parametrize(
    "got, due, message",
    [
        (array(1, 2, 3), array(1, 2), "run 1, stream o: 3 samples came, 2 are due"),
        (array(1), array(1, 2), "run 1, stream o: 1 samples came, 2 are due"),
        (
            array(1, 7, 3, 9),
            array(1, 2, 3, 4),
            "run 1, stream o: 2 of 4 samples differ, the first is number 1: 7, the model says 2",
        ),
        (
            {"x": array(1, 2), "y": array(1, 5)},
            {"x": array(1, 2), "y": array(1, 2)},
            "run 1, stream o, y: 1 of 2 samples differ, the first is number 1: 5, the model says 2",
        ),
    ],
)
def test_a_difference_is_found_and_named(got, due, message):
    bench = Recorded({"o": array(0)}, {"o": got})
    with pytest.raises(AssertionError, match=re.escape(message)):
        check(bench, [Case(Run(), {"o": array(0)}), Case(Run(), {"o": due})])


def test_values_at_the_end_are_compared():
    bench = Recorded({}, status={"n": 2, "m": 5})
    check(bench, [Case(Run(), status={"m": 5})])
    with pytest.raises(AssertionError, match="run 0: n is 2, the model says 3"):
        check(bench, [Case(Run(), status={"m": 5, "n": 3})])


def test_every_case_is_played():
    with pytest.raises(ValueError, match="zip"):
        check(Recorded({}), [Case(Run()), Case(Run())])


def framed(first, x, **case):
    return Recorded({"o": {"first": array(*first), "x": array(*x)}}), [
        Case(Run(), {"o": {"first": array(1, 0, 1, 0), "x": array(5, 6, 7, 8)}}, framed=2, **case)
    ]


@pytest.mark.parametrize(
    "first, x",
    [
        ((1, 0, 1, 0), (5, 6, 7, 8)),
        ((0, 1, 0, 0, 1, 0, 0), (0, 5, 6, 0, 7, 8, 0)),
    ],
)
def test_frames_may_lie_anywhere_among_idle_samples(first, x):
    check(*framed(first, x))


@pytest.mark.parametrize(
    "first, x, message",
    [
        ((1, 0, 0, 0), (5, 6, 0, 0), "1 frames came, 2.0 are due"),
        ((1, 0, 1, 0, 1, 0), (5, 6, 7, 8, 0, 0), "3 frames came"),
        ((1, 1, 0), (5, 7, 8), "a frame starts inside another"),
        ((1, 0, 1), (5, 6, 7), "the last frame is cut"),
        ((1, 0, 0, 1, 0), (5, 6, 3, 7, 8), "x between frames: 1 of 1 samples differ"),
        ((1, 0, 1, 0), (5, 6, 7, 9), "stream o, x: 1 of 4"),
        ((0, 1, 0, 1, 0), (1, 5, 6, 7, 8), "x between frames"),
    ],
)
def test_what_lies_between_frames_is_idle(first, x, message):
    with pytest.raises(AssertionError, match=message):
        check(*framed(first, x))


def test_idle_samples_may_have_a_value_of_their_own():
    check(*framed((0, 1, 0, 1, 0), (3, 5, 6, 7, 8), idle={"x": 3}))
    with pytest.raises(AssertionError, match="x between frames"):
        check(*framed((0, 1, 0, 1, 0), (3, 5, 6, 7, 8), idle={"x": 4}))


def test_no_frame_at_all_is_right_where_none_is_due():
    empty = np.zeros(0, np.int64)
    bench = Recorded({"o": {"first": array(0, 0), "x": array(0, 0)}})
    check(bench, [Case(Run(), {"o": {"first": empty, "x": empty}}, framed=2)])
