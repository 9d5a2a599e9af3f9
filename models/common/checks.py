"""Checks of input: one error type, whose message names the value and the allowed range."""

from __future__ import annotations

import math
from typing import Any


class RangeError(ValueError):
    """A value is outside what is allowed; the message names the value and the allowed range.

    >>> require("gain", 0.5, above=1)
    Traceback (most recent call last):
    shotveil.models.common.checks.RangeError: gain = 0.5 is outside (1, ∞)
    """


def require(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    integer: bool = False,
) -> None:
    """Raise `RangeError` unless every element of `value` is finite and within the bounds given.

    `above` and `below` are open ends of the range, `at_least` and `at_most` closed ones. A text is
    no number, even one like "1", which NumPy would read as one.
    """
    # The most usual cases, plain numbers and int64 arrays within bounds, need no array of floats.
    # NumPy is imported only where it is needed, so that a command's help does not wait for it.
    lowest: Any
    highest: Any
    plain = False
    if type(value) is float or (type(value) is int and value.bit_length() < 1024):
        plain = math.isfinite(value) and (not integer or value == round(value))
        lowest = highest = value
    else:
        import numpy as np

        if isinstance(value, np.ndarray) and value.dtype == np.int64 and value.size:
            plain, lowest, highest = True, value.min(), value.max()
    if plain and (
        (above is None or lowest > above)
        and (at_least is None or lowest >= at_least)
        and (below is None or highest < below)
        and (at_most is None or highest <= at_most)
    ):
        return
    import numpy as np

    try:
        text = np.asarray(value).dtype.kind in "SU"
        array = None if text else np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = None
    if array is not None:
        good = np.isfinite(array)
        if above is not None:
            good &= array > above
        if at_least is not None:
            good &= array >= at_least
        if below is not None:
            good &= array < below
        if at_most is not None:
            good &= array <= at_most
        if integer:
            good &= array == np.rint(array)
        if good.all():
            return
    allowed = interval(above=above, at_least=at_least, below=below, at_most=at_most)
    if integer:
        allowed = f"the integers in {allowed}"
    if array is None:
        raise RangeError(f"{name} = {value!r:.80} is not a number; allowed: {allowed}")
    raise RangeError(f"{name} = {array[~good].flat[0]:g} is outside {allowed}")


def interval(
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> str:
    """The range that `require` allows, in mathematical notation: (0, 1]."""
    low = f"({above:g}" if above is not None else "(−∞" if at_least is None else f"[{at_least:g}"
    high = f"{below:g})" if below is not None else "∞)" if at_most is None else f"{at_most:g}]"
    return f"{low}, {high}"
