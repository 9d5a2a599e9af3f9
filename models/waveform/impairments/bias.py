"""Bias error: the arms of the modulator are not at their null."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting, Sweep

BIAS = Impairment(
    "modulator bias",
    (
        Setting(
            "bias_error",
            "voltage by which the null of I and Q is off from what the drive is set "
            "to, fraction of the DAC's full scale",
            (0.0, 0.0),
            (0.05, -0.04),
            "left to calibration",
            (0.0005, -0.0005),
            above=-1,
            below=1,
            pair=True,
        ),
    ),
    sweeps=(
        Sweep(
            "bias",
            "bias error (of the DAC's full scale)",
            (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1),
            lambda v: {"bias_error": (v, -v)},
            log=True,
        ),
    ),
)
