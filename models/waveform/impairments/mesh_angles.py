"""Angle errors of the beam splitters in the client's mesh."""

from __future__ import annotations

import math

from shotveil.models.waveform.impairment import Impairment, Setting, Sweep

MESH_ANGLES = Impairment(
    "beam-splitter angles",
    (
        Setting(
            "angle_error",
            "rms error (rad) of every angle of the client's mesh, drawn once for a "
            "chip, apart for U and U†",
            0.0,
            0.001,
            "calibrated silicon photonics",
            at_least=0,
            at_most=math.pi,
        ),
    ),
    sweeps=(
        Sweep(
            "angle-error",
            "rms error of the mesh's angles (rad)",
            (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
            lambda v: {"angle_error": v},
            log=True,
        ),
    ),
)
