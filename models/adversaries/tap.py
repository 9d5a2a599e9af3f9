"""A tap: an adversary on the fibre keeps a part of the light."""

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
class Tap:
    """An adversary that keeps a `fraction` of the light's power and measures both quadratures.

    It sends on the rest. Raises `RangeError` unless the fraction is in [0, 1].
    """

    fraction: float

    def __post_init__(self) -> None:
        require("fraction", self.fraction, at_least=0, at_most=1)

    @property
    def transmittance(self) -> float:
        return 1 - self.fraction

    @property
    def excess_noise(self) -> float:
        return 0.0

    @property
    def touched(self) -> float:
        return 1.0

    def pass_on(self, sent: Complex, rng: np.random.Generator) -> Taken:
        light, port = sent + vacuum(sent.shape, rng), vacuum(sent.shape, rng)
        kept = math.sqrt(self.fraction) * light - math.sqrt(1 - self.fraction) * port
        rest = math.sqrt(1 - self.fraction) * light + math.sqrt(self.fraction) * port
        return Taken(rest, heterodyne(kept, rng), np.ones(sent.shape[:-1], dtype=bool))


@dataclass(frozen=True)
class FibreTap:
    """The same adversary for samples: it keeps a `fraction` of the light's power at all times."""

    fraction: float

    def __post_init__(self) -> None:
        require("fraction", self.fraction, at_least=0, at_most=1)

    def pass_on(self, light: Complex, vacuum: Normals) -> Complex:
        port = vacuum.complex(light.size).reshape(light.shape)
        return math.sqrt(1 - self.fraction) * light + math.sqrt(self.fraction) * port


TAP = FibreAdversary(
    name="tap",
    says="keeps a part of the light and measures both its quadratures",
    strength=Strength("fraction of the light", usual=0.01, in_loop=0.03, at_least=0, at_most=1),
    covered_by="holevo",
    make=Tap,
    sampled=FibreTap,
)
