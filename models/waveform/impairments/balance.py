"""I/Q imbalance: the arms of the modulator are not equally bright."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting

BALANCE = Impairment(
    "I/Q balance",
    (
        Setting(
            "imbalance",
            "relative excess of the fields of I and Q",
            (0.0, 0.0),
            (0.02, -0.02),
            "left to calibration",
            (0.001, -0.001),
            above=-1,
            below=1,
            pair=True,
        ),
    ),
)
