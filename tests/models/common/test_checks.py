import numpy as np
import pytest

from shotveil.models.common.checks import RangeError, require


def test_names_value_and_range():
    with pytest.raises(RangeError, match=r"^gain = 0\.9 is outside \(1, ∞\)$"):
        require("gain", 0.9, above=1)


@pytest.mark.parametrize(
    "value, bounds",
    [
        (1.0, {"above": 1}),
        (1.0, {"below": 1}),
        (0.99, {"at_least": 1}),
        (1.01, {"at_most": 1}),
        (float("nan"), {}),
        (float("inf"), {"above": 0}),
        (2.5, {"integer": True}),
        ("many", {"above": 0}),
        ("1", {"above": 0}),
        (b"1", {"above": 0}),
        ([1.0, "2"], {"above": 0}),
        (np.array(["1", "2"]), {"above": 0}),
        (None, {"above": 0}),
        ([0.5, 2.0], {"at_most": 1}),
    ],
)
def test_refuses(value, bounds):
    with pytest.raises(RangeError):
        require("x", value, **bounds)


def test_accepts_closed_ends_and_arrays():
    require("x", 1, at_least=1, at_most=1, integer=True)
    require("x", np.array([0.1, 1.0]), above=0, at_most=1)


# As a plain number, as integers in an array (the two quick ways), and as other numbers.
WAYS = [float, lambda v: np.array([v, v]), lambda v: [float(v), float(v)], np.float32]


@pytest.mark.parametrize("way", WAYS)
def test_each_bound_is_open_or_closed_however_the_value_comes(way):
    for bounds, good, bad in (
        ({"above": 1}, (2,), (1, 0)),
        ({"at_least": 1}, (1, 2), (0,)),
        ({"below": 1}, (0,), (1, 2)),
        ({"at_most": 1}, (1, 0), (2,)),
        ({"above": 0, "at_most": 1, "integer": True}, (1,), (0, 2)),
        ({}, (-5, 0, 7), ()),
    ):
        for value in good:
            require("x", way(value), **bounds)
        for value in bad:
            with pytest.raises(RangeError, match=f"^x = {value} is outside"):
                require("x", way(value), **bounds)


def test_one_element_outside_is_enough_and_is_named():
    for array in (np.array([5, 1, 9, 12]), np.array([5.0, 1.0, 9.0, 12.0]), [5, 1, 9, 12]):
        require("x", array, at_least=1, at_most=12)
        with pytest.raises(RangeError, match=r"^x = 12 is outside \(−∞, 11\]$"):
            require("x", array, at_most=11)
        with pytest.raises(RangeError, match=r"^x = 1 is outside \[2, ∞\)$"):
            require("x", array, at_least=2)
    require("x", np.zeros(0, np.int64), above=1)
    require("x", np.arange(12).reshape(3, 4), at_least=0, below=12)


def test_integers_are_whole_numbers_of_any_type():
    for value in (3, 3.0, np.array([1, 2]), np.array([1.0, 2.0]), True):
        require("x", value, integer=True)
    for value in (2.5, np.array([1.0, 2.5]), [1, 0.5]):
        with pytest.raises(RangeError, match=r"5 is outside the integers in \[0, 9\)"):
            require("x", value, at_least=0, below=9, integer=True)


def test_what_is_no_number_is_said_to_be_none():
    with pytest.raises(RangeError, match=r"^x = 'many' is not a number; allowed: \(0, 5\]$"):
        require("x", "many", above=0, at_most=5)
    for value in (float("nan"), float("-inf"), np.array([0.0, np.nan]), np.array([np.inf])):
        with pytest.raises(RangeError, match=r"x = (nan|-inf|inf) is outside"):
            require("x", value)


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_a_whole_number_beyond_all_floats_is_refused_like_any_other(value):
    with pytest.raises(RangeError, match=r"size = -?10{60,}"):
        require("size", value, at_least=0, at_most=9, integer=True)
