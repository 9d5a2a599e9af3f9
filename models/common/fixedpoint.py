"""Fixed-point numbers: formats, named roundings and named overflow, exact on int64 arrays.

All fixed-point code of the project uses these names. `gateware.primitives.fixedpoint` has the same
functions on Amaranth values, and the two agree on every value. A number is a *raw* integer together
with a `Q` format; its value is raw · 2^−fraction. Nothing here overflows unless the caller asks for
it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError, require

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# One bit of an int64 stays free, so that adding half a unit for rounding can never wrap.
MAX_WIDTH = 62


class Rounding(enum.Enum):
    """How a number is rounded when its lowest bits are dropped."""

    FLOOR = "floor"  # towards −∞: free in hardware, biased by −½ LSB
    HALF_UP = "half-up"  # to nearest, ties towards +∞: biased by 2^−(dropped bits + 1) LSB
    HALF_EVEN = "half-even"  # to nearest, ties to the even neighbour: unbiased


class Overflow(enum.Enum):
    """What happens to a number that the format cannot hold."""

    WRAP = "wrap"  # modulo 2^width, as two's complement arithmetic does
    SATURATE = "saturate"  # the nearest number that the format holds


@dataclass(frozen=True)
class Q:
    """A fixed-point format, written Q`integer`.`fraction` (UQ if unsigned).

    `integer` counts the bits above the binary point and includes the sign bit, so Q1.15 is a
    16-bit number in [−1, 1). Either part may be negative as long as the width is positive. Raises
    `RangeError` for a width outside 1…62.
    """

    integer: int
    fraction: int
    signed: bool = True

    def __post_init__(self) -> None:
        require("fraction bits", self.fraction, integer=True)
        require("width", self.width, at_least=1, at_most=MAX_WIDTH, integer=True)

    @property
    def width(self) -> int:
        """Number of bits, sign included."""
        return self.integer + self.fraction

    @property
    def lowest(self) -> int:
        """The smallest raw integer."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The largest raw integer."""
        return (1 << (self.width - self.signed)) - 1

    @property
    def lsb(self) -> float:
        """The value of one raw unit."""
        return 2.0**-self.fraction

    def __str__(self) -> str:
        return f"{'' if self.signed else 'U'}Q{self.integer}.{self.fraction}"


def round_shift(raw: npt.ArrayLike, bits: int, rounding: Rounding) -> IntArray:
    """raw / 2^`bits` rounded to an integer; a negative `bits` shifts left, which is exact.

    `raw` is an integer array of any shape with |raw| < 2^62; the result has the same shape.
    """
    value = np.asarray(raw, dtype=np.int64)
    if bits <= 0:
        return value << -bits
    if rounding is Rounding.FLOOR:
        return value >> bits
    half = 1 << (bits - 1)
    if rounding is Rounding.HALF_UP:
        return (value + half) >> bits
    # Work in place, because memory traffic is what takes the time.
    rounded: IntArray = value >> bits
    rounded &= 1
    rounded += value
    rounded += half - 1
    rounded >>= bits
    return rounded


def overflows(raw: npt.ArrayLike, to: Q) -> BoolArray:
    """Whether each raw integer is outside the format's range, of the same shape."""
    value = np.asarray(raw, dtype=np.int64)
    return (value < to.lowest) | (value > to.highest)


def constrain(raw: npt.ArrayLike, to: Q, overflow: Overflow) -> IntArray:
    """The raw integers brought into the format's range by `overflow`, of the same shape."""
    value = np.asarray(raw, dtype=np.int64)
    if overflow is Overflow.SATURATE:
        # Two ufuncs are faster than np.clip, whose overhead dominates on short arrays.
        return np.minimum(np.maximum(value, to.lowest), to.highest)
    kept = value & ((1 << to.width) - 1)
    return kept - ((kept & (1 << (to.width - 1))) << 1) if to.signed else kept


def rescale(
    raw: npt.ArrayLike, source: Q, to: Q, rounding: Rounding, overflow: Overflow
) -> IntArray:
    """The same numbers in the format `to`: first `rounding` drops bits, then `overflow` applies."""
    return constrain(round_shift(raw, source.fraction - to.fraction, rounding), to, overflow)


def to_float(raw: npt.ArrayLike, source: Q) -> npt.NDArray[np.float64]:
    """The real values of raw integers, of the same shape; they are exact up to 53 bits of width."""
    return np.ldexp(np.asarray(raw, dtype=np.float64), -source.fraction)


def quantise(
    value: npt.ArrayLike,
    to: Q,
    rounding: Rounding = Rounding.HALF_EVEN,
    overflow: Overflow | None = None,
    name: str = "value",
) -> IntArray:
    """Round real numbers to raw integers of the format `to`, of the same shape.

    Raises `RangeError` with `name` for a number that is not finite, and without an `overflow` for
    one that does not fit.
    """
    require(name, value)
    scaled = np.ldexp(np.asarray(value, dtype=np.float64), to.fraction)
    # Far beyond 2^62 the conversion to int64 would wrap.
    limit = 2.0**62
    scaled = np.clip(scaled, -limit, limit) if overflow is Overflow.SATURATE else scaled
    if np.any(np.abs(scaled) > limit):
        raise RangeError(f"{name} needs more than {MAX_WIDTH} bits in {to}")
    floor = np.floor(scaled)
    rest = scaled - floor  # exact: both lie within a factor of two, or floor is 0
    raw = floor.astype(np.int64)
    if rounding is Rounding.HALF_UP:
        raw += rest >= 0.5
    elif rounding is Rounding.HALF_EVEN:
        raw += (rest > 0.5) | ((rest == 0.5) & (raw % 2 == 1))
    if overflow is not None:
        return constrain(raw, to, overflow)
    bad = overflows(raw, to)
    if bad.any():
        worst = np.broadcast_to(np.asarray(value, dtype=np.float64), raw.shape)[bad].flat[0]
        low, high = to_float([to.lowest, to.highest], to)
        raise RangeError(
            f"{name} = {worst:g} is outside [{low:.9g}, {high:.9g}], the range of {to}"
        )
    return raw
