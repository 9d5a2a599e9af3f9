"""Slow phase drift of the fibres."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting

DRIFT = Impairment(
    "fibre drift",
    (
        Setting(
            "drift_out",
            "rad per symbol by which the phase moves on the way out",
            0.0,
            1e-7,
            "enclosed fibre: 3 rad/s",
            symbols=1,
        ),
        Setting(
            "drift_back",
            "rad per symbol by which the phase moves on the way back",
            0.0,
            -5e-8,
            "enclosed fibre: 1.6 rad/s",
            symbols=1,
        ),
    ),
)
