"""Preamble correlation at every sample. Integer model of `gateware.digitiser.correlator`.

A boxcar b over one symbol, of L samples, replaces the matched filter here. The boxcar's output is
correlated with the preamble's code c, whose symbols are diagonal phases, so no multiplier is
needed. For a phase-diverse receiver

    power = |Σ_k c_k*·b[n − L(15−k)]|², which by Cauchy and Schwarz is at most 32·energy

with energy = Σ_k |b|². A homodyne receiver sees only one quadrature of each symbol, at an unknown
angle. The 12 symbols on the +45° diagonal and the 4 symbols on the −45° diagonal are then
orthogonal for any angle, so power = U² + 3·V² ≤ 12·energy, where U and V are their sums.
A sample is a *hit* if the power exceeds half of this bound and reaches the register `minimum`. The
first condition does not depend on the signal's strength and rejects most data, whose peaks are
smaller than the preamble's anyway. The second condition rejects vacuum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.models.common.fixedpoint import BoolArray, IntArray, Rounding, round_shift
from shotveil.models.digitiser.spec import PREAMBLE, DigitiserSpec

CHUNK = 1 << 15  # samples correlated at once; so many fit a processor's cache


@dataclass(frozen=True)
class Correlation:
    """The power of the correlation at each sample, and whether it is a hit; shapes (n,)."""

    power: IntArray
    hit: BoolArray


def reach(spec: DigitiserSpec) -> int:
    """The correlation at a sample depends on this many samples before it."""
    return spec.samples_per_symbol * PREAMBLE - 1


def dropped(spec: DigitiserSpec) -> int:
    """Bits of the boxcar's sum that are rounded away; `adc_bits` − 2 remain."""
    return 2 + (spec.samples_per_symbol - 1).bit_length()


def bound(spec: DigitiserSpec) -> int:
    """Half of the largest possible power per unit of energy."""
    return 16 if spec.quadratures == 2 else 6


def diagonals(spec: DigitiserSpec) -> tuple[list[int], list[int]]:
    """Indices of the code's symbols on the +45° diagonal, and of those on the −45° one."""
    same = spec.code[0] == spec.code[1]
    return [int(k) for k in np.nonzero(same)[0]], [int(k) for k in np.nonzero(~same)[0]]


def boxcar(spec: DigitiserSpec, samples: npt.ArrayLike) -> IntArray:
    """Sums of a symbol's number of successive samples, rounded half to even, of the same shape.

    They have `adc_bits` − 2 bits.
    """
    x = np.asarray(samples, dtype=np.int64)
    total = x.copy()
    for lag in range(1, spec.samples_per_symbol):
        total[:, lag:] += x[:, :-lag]
    # Rounding up the largest sum, L·(2^13 − 1), would exceed the format by one.
    return np.minimum(
        round_shift(total, dropped(spec), Rounding.HALF_EVEN), (1 << (spec.adc_bits - 3)) - 1
    )


def model(spec: DigitiserSpec, samples: npt.ArrayLike, minimum: int) -> Correlation:
    """Correlation at each sample, from `samples` of shape (quadratures, n) with zeros before them.

    `minimum` is the least power of a hit, the register of the same name.
    """
    given = np.asarray(samples)
    n = given.shape[1]
    before = reach(spec)
    x = np.zeros((len(given), before + n), np.int32)
    x[:, before:] = given
    power = np.empty(n, dtype=np.int64)
    hit = np.empty(n, dtype=np.bool_)
    for start in range(0, n, CHUNK):
        part = slice(start, min(start + CHUNK, n))
        # The first boxes are incomplete.
        boxes = boxcar(spec, x[:, start : part.stop + before])[:, spec.samples_per_symbol - 1 :]
        power[part], energy = _correlate(spec, boxes.astype(np.int32))
        hit[part] = (power[part] > bound(spec) * energy) & (power[part] >= minimum)
    return Correlation(power, hit)


def _correlate(spec: DigitiserSpec, b: npt.NDArray[np.int32]) -> tuple[IntArray, IntArray]:
    """Power and energy of all complete windows of one preamble's length in the boxes `b`."""
    symbol = spec.samples_per_symbol
    n = b.shape[1] - symbol * (PREAMBLE - 1)
    # All sums fit 32 bits. The energy of 16 boxes is the sum of two energies of 8, and so on.
    energy: npt.NDArray[np.int32] = b[0] * b[0]
    for other in b[1:]:
        energy += other * other
    for step in (symbol, 2 * symbol, 4 * symbol, 8 * symbol):
        energy = energy[step:] + energy[:-step]
    a, c = spec.code.tolist()
    re, im = np.zeros(n, np.int32), np.zeros(n, np.int32)

    def add(total: npt.NDArray[np.int32], sign: int, line: npt.NDArray[np.int32], k: int) -> None:
        (np.add if sign > 0 else np.subtract)(total, line[symbol * k : symbol * k + n], out=total)

    if spec.quadratures == 2:
        # c*·b for a diagonal c is ± the sum and ± the difference of the quadratures.
        both, across = b[0] + b[1], b[0] - b[1]
        for k in range(PREAMBLE):
            same = a[k] == c[k]
            add(re, a[k], both if same else across, k)
            add(im, -a[k] if same else a[k], across if same else both, k)
    else:
        for k in range(PREAMBLE):
            add(re if a[k] == c[k] else im, a[k], b[0], k)
    weight = 1 if spec.quadratures == 2 else 3
    power = re.astype(np.int64) ** 2
    power += weight * im.astype(np.int64) ** 2
    return power, energy.astype(np.int64)


def threshold(spec: DigitiserSpec, shot_noise: float, false_rate: float = 1e-15) -> int:
    """The register `minimum` for vacuum whose samples have a deviation of `shot_noise` ADC steps.

    In vacuum the power is exponentially distributed, because it is a sum of the squares of two
    equal Gaussians. A sample of vacuum exceeds the threshold with probability `false_rate`.
    """
    boxes = spec.samples_per_symbol * shot_noise**2 / 4.0 ** dropped(spec) + 1 / 12
    # With homodyning U² + 3V² is 12 σ² times a sum of two squares of unit variance.
    mean = (32 * 2 if spec.quadratures == 2 else 24) * boxes
    return int(np.ceil(-np.log(false_rate) * mean))
