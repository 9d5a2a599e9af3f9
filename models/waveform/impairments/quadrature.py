"""Quadrature error: the arms of the modulator are not at right angles."""

from __future__ import annotations

import math

from shotveil.models.waveform.impairment import Impairment, Setting

QUADRATURE = Impairment(
    "I/Q angle",
    (
        Setting(
            "quadrature_error",
            "rad by which I and Q are not at right angles",
            0.0,
            0.005,
            "bias loops of I/Q modulators",
            above=-math.pi / 2,
            below=math.pi / 2,
        ),
    ),
)
