"""Pulse shaping: a polyphase interpolating filter, y[nL + p] = Σ_j h[jL + p]·x[n − j].

Integer model of `gateware.drive.shaping`.
"""

from __future__ import annotations

import numpy as np

from shotveil.models.common.fixedpoint import (
    BoolArray,
    IntArray,
    Overflow,
    Rounding,
    constrain,
    overflows,
    round_shift,
)
from shotveil.models.drive.spec import DriveSpec


def model(
    spec: DriveSpec, coefficients: IntArray, symbols: IntArray, fault: BoolArray
) -> tuple[IntArray, BoolArray]:
    """Shaped samples, shape (…, 2, nL), from symbols of shape (…, 2, n); the filter starts empty.

    `fault`, shape (…, n), marks symbols that saturated earlier. The second result, shape (…, nL),
    marks their samples and the samples that saturate here.
    """
    total = _interpolate(spec, coefficients, symbols)
    shift = spec.scaled.fraction + spec.coefficient.fraction - spec.sample.fraction
    rounded = round_shift(total, shift, Rounding.HALF_EVEN)
    own = np.repeat(fault, spec.samples_per_symbol, axis=-1)
    limited = np.any(overflows(rounded, spec.sample), axis=-2) | own
    return constrain(rounded, spec.sample, Overflow.SATURATE), limited


def _interpolate(spec: DriveSpec, coefficients: IntArray, symbols: IntArray) -> IntArray:
    """The exact sums Σ_j h[jL + p]·x[n − j], shape (…, nL).

    They are computed in float64, whose matrix product is fast. The result is exact, because every
    partial sum is an integer below 2^53: 18 bits times 18 bits times at most 512 terms.
    """
    before = spec.span - 1
    padded = np.zeros((*symbols.shape[:-1], before + symbols.shape[-1]))
    padded[..., before:] = symbols
    windows = np.lib.stride_tricks.sliding_window_view(padded, spec.span, axis=-1)
    taps = coefficients.reshape(spec.span, spec.samples_per_symbol)[::-1].astype(np.float64)
    sums = (windows @ taps).astype(np.int64)
    return sums.reshape(*symbols.shape[:-1], -1)
