"""The finite bandwidth of the modulator's driver, which settles to each DAC value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shotveil.models.waveform.impairment import Impairment, Place, Setting, Stage
from shotveil.models.waveform.lowpass import Lowpass


def _driver(impairments: Any, rng: np.random.Generator) -> Stage | None:
    if impairments.driver_bandwidth == math.inf:
        return None
    settle = Lowpass(impairments.driver_bandwidth)
    # A `sampling` of 0 is the start of a hold, which is the end of the hold before.
    return lambda voltage: settle(voltage, impairments.sampling)


DRIVER = Impairment(
    "driver bandwidth",
    (
        Setting(
            "driver_bandwidth",
            "3 dB bandwidth of the modulator's driver (one pole), in DAC sample rates",
            math.inf,
            2.0,
            "RF drivers: 250 MHz",
            above=0,
            endless=True,
        ),
        Setting(
            "sampling",
            "where in the DAC's hold the light is sampled, as a fraction of it; it "
            "matters only while the driver settles",
            0.0,
            0.5,
            "amid the hold",
            at_least=0,
            below=1,
        ),
    ),
    stages={Place.DRIVE: _driver},
)
