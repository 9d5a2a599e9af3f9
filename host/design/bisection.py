"""Inversion of increasing functions, for whole arrays at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Real = NDArray[np.float64]


def greatest(
    function: Callable[[Real], Real], target: ArrayLike, least: float, most: float
) -> Real:
    """Return the greatest x in [least, most] with function(x) ≤ target, element by element.

    function: Maps an array of the target's shape to one of the same shape, and increases with each
        element.

    The method is bisection of ln x to rounding, and the result is on the safe side of the target.
    It is `least` where function(least) is already too large.
    """
    target = np.asarray(target, dtype=np.float64)
    low, high = np.full(target.shape, math.log(least)), np.full(target.shape, math.log(most))
    for _ in range(64):
        middle = (low + high) / 2
        inside = function(np.exp(middle)) <= target
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.exp(low)
