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
