"""Balanced detectors after the local oscillator, and their ADC.

Voltages are in √SNU of an ideal detector: a detected vacuum has variance 1 at any efficiency, plus
the electronic noise. Photodiodes and amplifier act as a one-pole low-pass filter. The ADC rounds to
whole steps and saturates at the ends of its range.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import require
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.waveform.lowpass import Lowpass
from shotveil.models.waveform.noise import Normals

Real = NDArray[np.float64]


class SampledDetector:
    """A streaming conversion of the voltages of `spec.quadratures` detectors to ADC words.

    `bandwidth` is in units of the sample rate, `electronic_noise` in SNU, `step` in ADC steps per
    √SNU, `offset` in ADC steps. Raises `RangeError` unless `step` is above 0.
    """

    def __init__(
        self,
        spec: DigitiserSpec,
        bandwidth: float,
        electronic_noise: float,
        step: float,
        offset: float,
        rng: np.random.Generator,
    ) -> None:
        require("step", step, above=0)
        self._spec, self._step, self._offset = spec, step, offset
        self._lowpass = Lowpass(bandwidth)
        self._noise = math.sqrt(electronic_noise)
        self._normals = Normals(rng)

    def __call__(self, voltage: Real) -> NDArray[np.int64]:
        """ADC words in two's complement, as unsigned integers, from voltages (quadratures, n)."""
        seen = self._lowpass(voltage) * self._step
        if self._noise:
            normals = self._normals.take(voltage.size).reshape(voltage.shape[::-1]).T
            seen += normals * np.float32(self._noise * self._step)
        seen += self._offset
        np.rint(seen, out=seen)
        np.clip(seen, self._spec.sample.lowest, self._spec.sample.highest, out=seen)
        return seen.astype(np.int64) & ((1 << self._spec.adc_bits) - 1)
