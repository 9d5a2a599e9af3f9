"""Loss of light on the way out and on the way back."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting

LOSS = Impairment(
    "loss",
    (
        Setting(
            "transmittance_out",
            "power transmittance of the way out",
            1.0,
            0.98,
            "a bench with low-loss parts",
            above=0,
            at_most=1,
        ),
        Setting(
            "transmittance_back",
            "power transmittance of the way back",
            1.0,
            0.98,
            "a bench with low-loss parts",
            above=0,
            at_most=1,
        ),
    ),
    distorts=False,
)
