"""The finite bandwidth of the detectors."""

from __future__ import annotations

import math

from shotveil.models.waveform.impairment import Impairment, Setting

DETECTOR_BANDWIDTH = Impairment(
    "detector bandwidth",
    (
        Setting(
            "detector_bandwidth",
            "3 dB bandwidth of the detectors (one pole), in ADC sample rates",
            math.inf,
            1.2,
            "balanced detectors: 150 MHz",
            above=0,
            endless=True,
        ),
    ),
)
