"""Pulse shaping: a polyphase interpolating filter, y[nL + p] = Σ_j h[jL + p]·x[n − j].

Integer model of `gateware.drive.shaping`.
"""

from __future__ import annotations

import numpy as np

from models.drive.spec import DriveSpec
from models.fixedpoint import (
    BoolArray,
    IntArray,
    Overflow,
    Rounding,
    constrain,
    overflows,
    round_shift,
)


def model(
    spec: DriveSpec, coefficients: IntArray, symbols: IntArray, fault: BoolArray
) -> tuple[IntArray, BoolArray]:
    """Shaped samples, shape (…, 2, nL), from symbols of shape (…, 2, n); the filter starts empty.

    `fault`, shape (…, n), marks symbols that were limited; the second result, shape (…, nL), marks
    their samples and those that are limited here.
    """
    length = spec.samples_per_symbol
    n = symbols.shape[-1]
    taps = coefficients.reshape(spec.span, length)
    total = np.zeros((length, *symbols.shape), dtype=np.int64)
    for j in range(min(spec.span, n)):
        past = symbols[..., : n - j]
        for p in range(length):
            if taps[j, p]:
                total[p, ..., j:] += taps[j, p] * past
    shift = spec.scaled.fraction + spec.coefficient.fraction - spec.sample.fraction
    rounded = round_shift(total, shift, Rounding.HALF_EVEN)
    limited = np.any(overflows(rounded, spec.sample), axis=-2) | fault
    samples = constrain(rounded, spec.sample, Overflow.SATURATE)
    return _interleave(samples), _interleave(limited)


def _interleave(phases: np.ndarray) -> np.ndarray:
    """(phase, …, n) to (…, n·phases), phase running fastest."""
    moved = np.moveaxis(phases, 0, -1)
    return np.ascontiguousarray(moved).reshape(*moved.shape[:-2], -1)
