"""Search for the largest integer that a limit allows, where larger ones never fit again."""

from __future__ import annotations

from collections.abc import Callable

Fits = Callable[[int], bool]


def last_fitting(fits: Fits, low: int, high: int) -> int:
    """Return the last integer in [low, high) that fits; `low` is taken to fit, and `high` not to.

    >>> last_fitting(lambda n: n * n <= 50, 1, 100)
    7
    """
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def most_fitting(fits: Fits, most: int) -> int:
    """Return the largest integer from 1 to `most` that fits, and 0 where 1 does not.

    Only numbers up to twice the result are tried.

    >>> most_fitting(lambda n: n * n <= 50, 10**9), most_fitting(lambda n: False, 5)
    (7, 0)
    """
    if not fits(1):
        return 0
    low, high = 1, min(2, most)
    while low < most and fits(high):
        low, high = high, min(2 * high, most)
    return low if low >= most else last_fitting(fits, low, high)
