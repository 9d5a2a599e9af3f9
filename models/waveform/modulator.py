"""The server's I/Q modulator: from voltages to field.

Each arm is a Mach-Zehnder at null bias. Its two paths are not equally bright, so its null is not
dark: with an extinction of 1/γ² in power, its field is sin φ − iγ·cos φ for the phase
φ = π(V − bias)/(2·Vπ). Without imperfections this is the inverse of the drive's linearisation.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shotveil.models.drive.spec import Arm
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.trigonometry import sine_and_cosine

Complex = NDArray[np.complex128]


def true_arms(impairments: Impairments, arms: tuple[Arm, Arm]) -> tuple[Arm, Arm]:
    """The true arms of the modulator, for a drive that is set to `arms`."""
    i, q = (
        replace(
            arm,
            bias=arm.bias + impairments.bias_error[k],
            half_wave=arm.half_wave * (1 + impairments.half_wave_error[k]),
            gain=arm.gain / (1 + impairments.imbalance[k]),
        )
        for k, arm in enumerate(arms)
    )
    return i, q


class Modulator:
    """The modulator with the given true `arms`."""

    def __init__(self, impairments: Impairments, arms: tuple[Arm, Arm]) -> None:
        self._arms = arms
        self._leak = 10 ** (-impairments.extinction / 20)
        self._axes = (1, 1j * cmath.exp(1j * impairments.quadrature_error))

    def __call__(self, voltage: NDArray[np.float64]) -> Complex:
        """Field (n,) as a fraction of the largest field, from voltages (2, n).

        Voltages are fractions of the DAC's full scale.
        """
        out = np.zeros(voltage.shape[-1], np.complex128)
        for line, arm, axis in zip(voltage, self._arms, self._axes, strict=True):
            phase = (line - arm.bias) * (math.pi / 2 / arm.half_wave)
            sine, cosine = sine_and_cosine(phase)
            out += sine * (axis / arm.gain)
            if self._leak:
                out -= cosine * (1j * self._leak * axis / arm.gain)
        return out
