"""Technical noise on the way back from causes that are not modelled."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting

TECHNICAL_NOISE = Impairment(
    "technical noise",
    (
        Setting(
            "excess_noise",
            "technical noise added on the way back (SNU)",
            0.0,
            0.001,
            "what the model leaves out: oscillator noise, jitter",
            at_least=0,
        ),
    ),
    distorts=False,
    excess=lambda impairments: float(impairments.excess_noise),
)
