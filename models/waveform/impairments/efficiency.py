"""The limited efficiency of the detectors."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting

EFFICIENCY = Impairment(
    "detector efficiency",
    (
        Setting(
            "client_efficiency",
            "efficiency of the client's detector",
            1.0,
            0.9,
            "balanced photodiodes",
            above=0,
            at_most=1,
        ),
        Setting(
            "server_efficiency",
            "efficiency of the server's detectors",
            1.0,
            0.9,
            "balanced photodiodes",
            above=0,
            at_most=1,
        ),
    ),
)
