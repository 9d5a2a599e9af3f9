"""Preamble correlation at every sample. Integer model of `gateware.digitiser.correlator`.

A boxcar over one symbol stands in for the matched filter. The samples are correlated with the
preamble's code, whose symbols are diagonal phases, so nothing is multiplied. Phase-diverse:

    power = |Σ_k c_k*·b[n − 4(15−k)]|², which by Cauchy and Schwarz is at most 32·energy

with energy = Σ_k |b|². Homodyne sees of each symbol one quadrature only, at an unknown angle. The
symbols on the +45° diagonal and those on the −45° one are then orthogonal in the sum, whatever
the angle: power = U² + 3·V² ≤ 12·energy with U, V the sums over the 12 and the 4 of them.
A sample is a *hit* if the power exceeds half of the bound, and the register `minimum`. The first
is blind to the signal's strength and keeps most data out, whose peaks are smaller than the
preamble's anyway; the second keeps vacuum out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.models.common.fixedpoint import BoolArray, IntArray, Rounding, round_shift
from shotveil.models.digitiser.spec import PREAMBLE, DigitiserSpec

CHUNK = 1 << 15  # samples correlated at once: as many as a processor's cache holds
# Samples before one that its correlation depends on: boxes of 4 samples, one a symbol.
REACH = 4 * PREAMBLE - 1
DROPPED = 4  # bits of the boxcar's sum that are rounded away: 12 remain


@dataclass(frozen=True)
class Correlation:
    """For each sample the power of the correlation, and whether it is a hit."""

    power: IntArray
    hit: BoolArray


def bound(spec: DigitiserSpec) -> int:
    """Half of the largest power per unit of energy."""
    return 16 if spec.quadratures == 2 else 6


def diagonals(spec: DigitiserSpec) -> tuple[list[int], list[int]]:
    """Indices of the code's symbols on the +45° diagonal, and of those on the −45° one."""
    same = spec.code[0] == spec.code[1]
    return [int(k) for k in np.nonzero(same)[0]], [int(k) for k in np.nonzero(~same)[0]]


def boxcar(spec: DigitiserSpec, samples: npt.ArrayLike) -> IntArray:
    """Sums of 4 samples, rounded half to even to `adc_bits` − 2 bits."""
    x = np.asarray(samples, dtype=np.int64)
    total = x.copy()
    for lag in range(1, 4):
        total[:, lag:] += x[:, :-lag]
    # Rounding up may reach one beyond the format: the largest sum is 4·(2^13 − 1).
    return np.minimum(
        round_shift(total, DROPPED, Rounding.HALF_EVEN), (1 << (spec.adc_bits - 3)) - 1
    )


def model(spec: DigitiserSpec, samples: npt.ArrayLike, minimum: int) -> Correlation:
    """Correlation at each sample; `samples` has shape (quadratures, n), zeros before the first."""
    given = np.asarray(samples)
    n = given.shape[1]
    x = np.zeros((len(given), REACH + n), np.int32)
    x[:, REACH:] = given
    power = np.empty(n, dtype=np.int64)
    hit = np.empty(n, dtype=np.bool_)
    for start in range(0, n, CHUNK):
        part = slice(start, min(start + CHUNK, n))
        # The first 3 boxes lack samples.
        boxes = boxcar(spec, x[:, start : part.stop + REACH])[:, 3:]
        power[part], energy = _correlate(spec, boxes.astype(np.int32))
        hit[part] = (power[part] > bound(spec) * energy) & (power[part] >= minimum)
    return Correlation(power, hit)


def _correlate(spec: DigitiserSpec, b: npt.NDArray[np.int32]) -> tuple[IntArray, IntArray]:
    """Power and energy of the boxes' windows of one preamble each, for all that are complete."""
    n = b.shape[1] - 4 * (PREAMBLE - 1)
    # All sums fit 32 bits. The energy of 16 boxes is that of twice 8, and so on.
    energy: npt.NDArray[np.int32] = b[0] * b[0]
    for other in b[1:]:
        energy += other * other
    for step in (4, 8, 16, 32):
        energy = energy[step:] + energy[:-step]
    a, c = spec.code.tolist()
    re, im = np.zeros(n, np.int32), np.zeros(n, np.int32)

    def add(total: npt.NDArray[np.int32], sign: int, line: npt.NDArray[np.int32], k: int) -> None:
        (np.add if sign > 0 else np.subtract)(total, line[4 * k : 4 * k + n], out=total)

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
    """The register `minimum` for vacuum of standard deviation `shot_noise` ADC steps a sample.

    In vacuum the power is exponentially distributed, as the squares of two equal Gaussians are; a
    sample exceeds the threshold with probability `false_rate`.
    """
    boxes = 4 * shot_noise**2 / 4.0**DROPPED + 1 / 12
    # Homodyne: U² + 3V² is 12 σ² times the sum of two squares of unit variance.
    mean = (32 * 2 if spec.quadratures == 2 else 24) * boxes
    return int(np.ceil(-np.log(false_rate) * mean))
