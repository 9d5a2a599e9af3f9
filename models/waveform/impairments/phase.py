"""The phase of the fibres at the first sample."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting

PHASE = Impairment(
    "phase",
    (
        Setting(
            "phase_out",
            "phase of the way out at the first sample (rad)",
            0.0,
            2.0,
            "anything is as likely",
        ),
        Setting(
            "phase_back",
            "phase of the way back at the first sample (rad)",
            0.0,
            -1.0,
            "anything is as likely",
        ),
    ),
    budgeted=False,
)
