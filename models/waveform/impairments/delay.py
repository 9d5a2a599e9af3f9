"""Delay in the fibres."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting

LONGEST = 1 << 20  # samples of delay: 8 ms at 125 MS/s

DELAY = Impairment(
    "delay",
    (
        Setting(
            "delay_out",
            "samples that the light takes to the client",
            0,
            123,
            "200 m of fibre",
            at_least=0,
            at_most=LONGEST,
            integer=True,
        ),
        Setting(
            "delay_back",
            "samples that the light takes back to the server",
            0,
            77,
            "120 m of fibre",
            at_least=0,
            at_most=LONGEST,
            integer=True,
        ),
    ),
    budgeted=False,
)
