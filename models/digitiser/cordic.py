"""CORDIC: it turns a vector by an angle, or finds the angle of a vector.

Integer model of `gateware.digitiser.cordic`. Source: J. E. Volder, IRE Trans. Electron. Comput.
EC-8, 330 (1959). Angles are fractions of a turn in `phase_bits` bits. A rotation by quarter turns
leaves an angle within ±1/8 turn, where the iterations converge. Iteration k then adds ±atan(2^−k).
The vector grows by K = Π√(1 + 4^−k), which a rotation removes with one multiplication.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from shotveil.models.common.fixedpoint import (
    BoolArray,
    IntArray,
    Overflow,
    Rounding,
    constrain,
    overflows,
    round_shift,
)
from shotveil.models.digitiser.spec import DigitiserSpec

INVERSE_BITS = 17  # fraction bits of 1/K
ANGLE_GUARD = 4  # guard bits of an angle inside, below `phase_bits`


def angles(spec: DigitiserSpec) -> list[int]:
    """atan(2^−k) of each iteration k, in 2^−(phase_bits + 4) turn."""
    return list(_angles(spec.phase_bits, spec.iterations))


@functools.cache
def _angles(phase_bits: int, iterations: int) -> tuple[int, ...]:
    unit = 2.0 ** (phase_bits + ANGLE_GUARD) / (2 * np.pi)
    return tuple(round(np.arctan(2.0**-k) * unit) for k in range(iterations))


def inverse_gain(spec: DigitiserSpec) -> int:
    """The factor 1/K in units of 2^−17."""
    growth = np.prod([np.sqrt(1 + 4.0**-k) for k in range(spec.iterations)])
    return round(2**INVERSE_BITS / float(growth))


def gain(spec: DigitiserSpec) -> float:
    """The factor by which a rotation changes lengths: 1 except for the rounding of 1/K.

    Calibration records take the same path, so the factor cancels in values in shot-noise units.
    """
    growth = np.prod([np.sqrt(1 + 4.0**-k) for k in range(spec.iterations)])
    return float(growth) * inverse_gain(spec) / 2**INVERSE_BITS


def _iterate(
    spec: DigitiserSpec, x: IntArray, y: IntArray, z: IntArray, vectoring: bool
) -> tuple[IntArray, IntArray, IntArray]:
    # 32-bit integers, where they are wide enough, are twice as fast as 64-bit ones.
    narrow = max(spec.symbol.width + spec.guard_bits + 3, spec.phase_bits + ANGLE_GUARD) < 32
    kind: npt.DTypeLike = np.int32 if narrow else np.int64
    x, y, z = x.astype(kind), y.astype(kind), z.astype(kind)
    top = 8 * z.itemsize - 1
    for k, angle in enumerate(angles(spec)):
        # A sign is 0 for plus and −1 for minus here, so (v ^ sign) − sign is v with that sign. This
        # is faster than a product.
        sign = ~(y >> top) if vectoring else z >> top
        along, across = ((y >> k) ^ sign) - sign, ((x >> k) ^ sign) - sign
        x, y, z = x - along, y + across, z - ((angle ^ sign) - sign)
    return x.astype(np.int64), y.astype(np.int64), z.astype(np.int64)


def _quarter(x: IntArray, y: IntArray, turns: IntArray) -> tuple[IntArray, IntArray]:
    turns = turns & 3
    return (
        np.choose(turns, [x, -y, -x, y]),
        np.choose(turns, [y, x, -y, -x]),
    )


def rotate(
    spec: DigitiserSpec, x: npt.ArrayLike, y: npt.ArrayLike, angle: npt.ArrayLike
) -> tuple[IntArray, IntArray, BoolArray]:
    """(x, y) turned by `angle`, in the format of the symbols, and whether each vector saturated.

    `angle` is in 2^−phase_bits turn; all shapes are equal.
    """
    a = np.asarray(angle, dtype=np.int64)
    # Split the angle into the nearest quarter turn and a rest of −1/8 … 1/8 turn.
    turns = (a + (1 << (spec.phase_bits - 3))) >> (spec.phase_bits - 2)
    rest = (a - (turns << (spec.phase_bits - 2))) << ANGLE_GUARD
    u, v = _quarter(
        np.asarray(x, np.int64) << spec.guard_bits,
        np.asarray(y, np.int64) << spec.guard_bits,
        turns,
    )
    u, v, _ = _iterate(spec, u, v, rest, vectoring=False)
    out = []
    limited = np.zeros(np.shape(u), dtype=np.bool_)
    for w in (u, v):
        # Round to a multiplier's width, remove the gain K, and round to the format of symbols.
        narrow = round_shift(w, spec.guard_bits - PRODUCT_GUARD, Rounding.HALF_EVEN)
        scaled = narrow * inverse_gain(spec)
        rounded = round_shift(scaled, INVERSE_BITS + PRODUCT_GUARD, Rounding.HALF_EVEN)
        limited |= overflows(rounded, spec.symbol)
        out.append(constrain(rounded, spec.symbol, Overflow.SATURATE))
    return out[0], out[1], limited


# Guard bits below the symbol's last bit in the product with 1/K. The longest vector, √2·K times the
# largest symbol, needs 2 more bits on top, so an 18-bit multiplier leaves no bits for the guard.
PRODUCT_GUARD = -1


def arctangent(spec: DigitiserSpec, x: npt.ArrayLike, y: npt.ArrayLike) -> IntArray:
    """The signed angle of (x, y) in 2^−phase_bits turn, of the same shape.

    For (0, 0) the result has no meaning.
    """
    u = np.asarray(x, np.int64)
    v = np.asarray(y, np.int64)
    # Turn the vector by half a turn into the right half plane, where the iterations converge.
    left = u < 0
    u, v = np.where(left, -u, u) << spec.guard_bits, np.where(left, -v, v) << spec.guard_bits
    zero = np.zeros(np.shape(u), np.int64)
    _, _, z = _iterate(spec, u, v, zero, vectoring=True)
    z = z + np.where(left, 1 << (spec.phase_bits + ANGLE_GUARD - 1), 0)
    rounded = round_shift(z, ANGLE_GUARD, Rounding.HALF_EVEN)
    half = 1 << (spec.phase_bits - 1)
    return ((rounded + half) & (2 * half - 1)) - half
