"""A one-pole low-pass filter of a signal that is held within each sample, exact between them.

A step response of 1 − exp(−2πBt) turns the held value x[n] into y[n] = c·y[n−1] + (1 − c)·x[n] at
the end of the hold, with c = exp(−2πB) and B the bandwidth in sample rates.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Real = NDArray[np.float64]


class Lowpass:
    """Streaming filter along the last axis; `bandwidth` (3 dB) in sample rates, inf for none."""

    def __init__(self, bandwidth: float) -> None:
        self.decay = math.exp(-2 * math.pi * bandwidth)
        self._before: NDArray[np.float64] | None = None

    def __call__(self, values: Real, at: float = 1.0) -> Real:
        """The filtered signal at the fraction `at` in (0, 1] of each hold.

        At the start, the filter rests at 0.
        """
        if not self.decay:
            return values
        if self._before is None:
            self._before = np.zeros((*values.shape[:-1], 1))
        c = self.decay
        end, _ = lfilter([1 - c], [1, -c], values, axis=-1, zi=c * self._before)
        start = np.concatenate([self._before, end[..., :-1]], axis=-1)
        self._before = end[..., -1:].copy()
        if at == 1:
            return np.asarray(end)
        return np.asarray(values + (start - values) * c**at)
