"""Intercept and resend: an adversary on the fibre measures rows and sends its own light."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import FibreAdversary, Strength
from shotveil.models.adversaries.channels import Taken, heterodyne
from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Complex
from shotveil.models.link.symbols import vacuum
from shotveil.models.waveform.noise import Normals


@dataclass(frozen=True)
class InterceptResend:
    """An adversary that measures a `fraction` of the rows and sends coherent light instead.

    Its heterodyne detector measures both quadratures with a noise of 2 SNU each. The resent rows
    therefore have an excess noise of 2 SNU. Raises `RangeError` unless the fraction is in [0, 1].
    """

    fraction: float

    def __post_init__(self) -> None:
        require("fraction", self.fraction, at_least=0, at_most=1)

    @property
    def transmittance(self) -> float:
        return 1.0

    @property
    def excess_noise(self) -> float:
        return 2 * self.fraction

    @property
    def touched(self) -> float:
        return self.fraction

    def pass_on(self, sent: Complex, rng: np.random.Generator) -> Taken:
        light = sent + vacuum(sent.shape, rng)
        touched = rng.random(sent.shape[:-1]) < self.fraction
        record = np.where(touched[..., None], heterodyne(light, rng) * math.sqrt(2), 0)
        resent = record + vacuum(sent.shape, rng)
        return Taken(np.where(touched[..., None], resent, light), record, touched)


@dataclass(frozen=True)
class Interceptor:
    """The same adversary for samples: it measures a `fraction` of the frames and resends them.

    Heterodyne detection adds the vacuum of its second port, and the new light adds its own vacuum.
    """

    fraction: float

    def __post_init__(self) -> None:
        require("fraction", self.fraction, at_least=0, at_most=1)

    def pass_on(self, light: Complex, vacuum: Normals) -> Complex:
        # Each frame draws its own random number, so the choice does not depend on the block size.
        noise = vacuum.complex(2 * light.size + len(light))
        noise = noise.reshape(len(light), -1)
        half = light.shape[1]
        uniform = 1 - np.exp(-(np.abs(noise[:, -1]) ** 2) / 2)
        touched = uniform < self.fraction
        resent = light + noise[:, :half] + noise[:, half : 2 * half]
        return np.where(touched[:, None], resent, light)


INTERCEPT_RESEND = FibreAdversary(
    name="intercept-resend",
    says="measures both quadratures of some rows and sends what it measured instead",
    strength=Strength("fraction of the rows", usual=0.05, in_loop=0.05, at_least=0, at_most=1),
    covered_by="holevo",
    make=InterceptResend,
    sampled=Interceptor,
)
