"""Inversion of functions that rise, on whole arrays at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Real = NDArray[np.float64]


def greatest(
    function: Callable[[Real], Real], target: ArrayLike, least: float, most: float
) -> Real:
    """The greatest x in [least, most] with function(x) ≤ target, element by element.

    function: takes an array of the target's shape to another and rises with each element. Bisection
    of ln x to rounding: the result is on the safe side of the target. `least` where even that is
    too much.
    """
    target = np.asarray(target, dtype=np.float64)
    low, high = np.full(target.shape, math.log(least)), np.full(target.shape, math.log(most))
    for _ in range(64):
        middle = (low + high) / 2
        inside = function(np.exp(middle)) <= target
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.exp(low)
