"""Electronic noise of the detectors, which counts as trusted."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting

ELECTRONICS = Impairment(
    "electronic noise",
    (
        Setting(
            "client_electronic_noise",
            "noise behind the client's detector (SNU)",
            0.0,
            0.03,
            "balanced photodiodes: 15 dB clearance",
            at_least=0,
        ),
        Setting(
            "server_electronic_noise",
            "noise behind the server's detectors (SNU)",
            0.0,
            0.03,
            "balanced photodiodes: 15 dB clearance",
            at_least=0,
        ),
    ),
    distorts=False,
)
