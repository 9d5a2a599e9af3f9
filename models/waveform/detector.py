"""Balanced detectors behind the local oscillator, and their ADC.

Voltages are in √SNU of an ideal detector: a detected vacuum has variance 1 whatever the efficiency,
to which the electronics add theirs. Photodiodes and amplifier settle with one pole; a converter
rounds to its steps and saturates at its ends, as converters do.
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
    """Voltages of `spec.quadratures` detectors to ADC words; streaming.

    `bandwidth` in sample rates, `electronic_noise` in SNU, `step` ADC steps per √SNU, `offset` in
    steps.
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
