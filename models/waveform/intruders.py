"""Adversaries between server and client, sample by sample: what they do to frames of light.

What they learn is in `models.adversaries`, symbol by symbol; here they act on light as it arrives,
vacuum included, so that nodes can be seen to notice them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import require
from shotveil.models.waveform.noise import Normals

Complex = NDArray[np.complex128]


class Intruder(Protocol):
    """Somebody on the fibre."""

    def pass_on(self, light: Complex, vacuum: Normals) -> Complex:
        """What becomes of frames of light (F, samples); `vacuum` is noise to draw from."""


@dataclass(frozen=True)
class FibreTap:
    """Keeps a `fraction` of the light's power, at all times."""

    fraction: float

    def __post_init__(self) -> None:
        require("fraction", self.fraction, at_least=0, at_most=1)

    def pass_on(self, light: Complex, vacuum: Normals) -> Complex:
        port = vacuum.complex(light.size).reshape(light.shape)
        return math.sqrt(1 - self.fraction) * light + math.sqrt(self.fraction) * port


@dataclass(frozen=True)
class Interceptor:
    """Measures both quadratures of a `fraction` of the frames, and sends what it measured instead.

    Heterodyne detection adds the vacuum of its second port, new light its own.
    """

    fraction: float

    def __post_init__(self) -> None:
        require("fraction", self.fraction, at_least=0, at_most=1)

    def pass_on(self, light: Complex, vacuum: Normals) -> Complex:
        # A frame is touched where its own number says so, alone or among others.
        noise = vacuum.complex(2 * light.size + len(light))
        noise = noise.reshape(len(light), -1)
        half = light.shape[1]
        uniform = 1 - np.exp(-(np.abs(noise[:, -1]) ** 2) / 2)
        touched = uniform < self.fraction
        resent = light + noise[:, :half] + noise[:, half : 2 * half]
        return np.where(touched[:, None], resent, light)
