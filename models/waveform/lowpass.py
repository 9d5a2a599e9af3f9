"""A one-pole low-pass filter for a signal that is constant within each sample; it is exact.

The step response is 1 − exp(−2πBt), where B is the bandwidth in units of the sample rate. At the
end of a hold with the value x[n], the output is y[n] = c·y[n−1] + (1 − c)·x[n] with c = exp(−2πB).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Real = NDArray[np.float64]


class Lowpass:
    """A streaming filter along the last axis.

    `bandwidth` (3 dB) is in units of the sample rate; infinity means no filter.
    """

    def __init__(self, bandwidth: float) -> None:
        self.decay = math.exp(-2 * math.pi * bandwidth)
        self._before: NDArray[np.float64] | None = None

    def __call__(self, values: Real, at: float = 1.0) -> Real:
        """The filtered signal at the fraction `at` of each hold, of the shape of `values`.

        `at` is above 0 and at most 1. The filter starts at 0.
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
