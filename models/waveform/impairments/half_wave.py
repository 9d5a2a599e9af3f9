"""Vπ error: the arms of the modulator need another voltage than the drive assumes."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting

HALF_WAVE = Impairment(
    "modulator Vπ",
    (
        Setting(
            "half_wave_error",
            "relative error of Vπ of I and Q",
            (0.0, 0.0),
            (0.1, -0.08),
            "left to calibration",
            (0.001, -0.001),
            above=-1,
            below=1,
            pair=True,
        ),
    ),
)
