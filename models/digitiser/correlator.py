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

from models.digitiser.spec import PREAMBLE, DigitiserSpec
from models.fixedpoint import BoolArray, IntArray, Rounding, round_shift

CHUNK = 1 << 14  # samples handled at once: few enough for a processor's cache
LAG_SAMPLES = 4 * PREAMBLE  # samples that a preamble reaches back
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
    b = boxcar(spec, samples)
    n = b.shape[1]
    lead = LAG_SAMPLES
    padded = np.concatenate([np.zeros((len(b), lead), np.int64), b], axis=1)
    power, hit = np.empty(n, np.int64), np.empty(n, np.bool_)
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        power[start:stop], hit[start:stop] = _correlate(spec, padded[:, start : stop + lead])
    return Correlation(power, hit & (power >= minimum))


def _correlate(spec: DigitiserSpec, boxes: IntArray) -> tuple[IntArray, BoolArray]:
    """Power, and whether it is large for the energy, from boxcars that begin a preamble earlier."""
    n = boxes.shape[1] - LAG_SAMPLES
    re, im = np.zeros(n, np.int64), np.zeros(n, np.int64)
    a, c = spec.code.tolist()
    squares = np.sum(boxes * boxes, axis=0)
    energy = np.zeros(n, np.int64)

    def add(total: IntArray, sign: int, line: IntArray) -> None:
        (np.add if sign > 0 else np.subtract)(total, line, out=total)

    for k in range(PREAMBLE):
        part = slice(4 * (k + 1), 4 * (k + 1) + n)
        energy += squares[part]
        x = boxes[0, part]
        if spec.quadratures == 2:
            p = boxes[1, part]
            add(re, a[k], x)
            add(re, c[k], p)
            add(im, a[k], p)
            add(im, -c[k], x)
        elif a[k] == c[k]:
            add(re, a[k], x)
        else:
            add(im, a[k], x)
    power = re * re + im * im * (1 if spec.quadratures == 2 else 3)
    return power, power > bound(spec) * energy


def threshold(spec: DigitiserSpec, shot_noise: float, false_rate: float = 1e-15) -> int:
    """The register `minimum` for vacuum of standard deviation `shot_noise` ADC steps a sample.

    In vacuum the power is exponentially distributed, as the squares of two equal Gaussians are; a
    sample exceeds the threshold with probability `false_rate`.
    """
    boxes = 4 * shot_noise**2 / 4.0**DROPPED + 1 / 12
    # Homodyne: U² + 3V² is 12 σ² times the sum of two squares of unit variance.
    mean = (32 * 2 if spec.quadratures == 2 else 24) * boxes
    return int(np.ceil(-np.log(false_rate) * mean))
