"""Finite extinction: the null of each Mach-Zehnder is not dark."""

from __future__ import annotations

import math

from shotveil.models.waveform.impairment import Impairment, Setting, Sweep

EXTINCTION = Impairment(
    "extinction",
    (
        Setting(
            "extinction",
            "optical power of each Mach-Zehnder between its largest field and its null, in dB",
            math.inf,
            30.0,
            "data sheets of telecom I/Q modulators: 25 to 30 dB",
            above=0,
            endless=True,
        ),
    ),
    sweeps=(
        Sweep(
            "extinction",
            "extinction of each Mach-Zehnder (dB)",
            (15, 20, 25, 30, 35, 40, 50),
            lambda v: {"extinction": v},
        ),
    ),
)
