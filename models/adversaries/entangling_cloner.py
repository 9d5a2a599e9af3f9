"""The entangling cloner: the attack on the fibre for which the Holevo bound is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import FibreAdversary, Strength
from shotveil.models.adversaries.channels import Taken, heterodyne
from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Complex
from shotveil.models.link.symbols import vacuum

TRANSMITTANCE = 0.99  # transmittance that it leaves if only its excess noise is chosen


@dataclass(frozen=True)
class EntanglingCloner:
    """An adversary that mixes one half of entangled light into the fibre.

    It keeps the other half and the light that it took out. The server sees exactly a channel
    (T, ε), and the Holevo bound χ assumes this attack. transmittance: T in (0, 1). excess_noise:
    ε ≥ 0 (SNU, at the returned mode). The adversary measures both quadratures of the two modes that
    it keeps and combines the results. Raises `RangeError` for a value out of range.
    """

    transmittance: float
    excess_noise: float

    def __post_init__(self) -> None:
        require("transmittance", self.transmittance, above=0, below=1)
        require("excess noise", self.excess_noise, at_least=0)

    @property
    def touched(self) -> float:
        return 1.0

    def pass_on(self, sent: Complex, rng: np.random.Generator) -> Taken:
        t = self.transmittance
        light = sent + vacuum(sent.shape, rng)
        # Two-mode squeezed vacuum of variance w; e1 enters the fibre, e2 stays with the adversary.
        w = 1 + self.excess_noise / (1 - t)
        mean, spread = math.sqrt((w + 1) / 2), math.sqrt((w - 1) / 2)
        one, other = vacuum(sent.shape, rng), vacuum(sent.shape, rng)
        e1, e2 = mean * one + spread * other.conj(), mean * other + spread * one.conj()
        returned = math.sqrt(t) * light + math.sqrt(1 - t) * e1
        kept = math.sqrt(1 - t) * light - math.sqrt(t) * e1
        # `kept` is the signal with the noise of e1, part of which is known from heterodyning e2.
        seen, reference = heterodyne(kept, rng), heterodyne(e2, rng)
        gain = math.sqrt(w**2 - 1) * math.sqrt(t) / math.sqrt(2) / ((w + 1) / math.sqrt(2))
        record = seen + gain * reference.conj()
        return Taken(returned, record, np.ones(sent.shape[:-1], dtype=bool))


ENTANGLING_CLONER = FibreAdversary(
    name="entangling-cloner",
    says="mixes one half of entangled light into the fibre, and measures the other half and what "
    "came out",
    strength=Strength(f"excess noise (SNU) at T = {TRANSMITTANCE:g}", usual=0.01, at_least=0),
    covered_by="holevo",
    make=lambda excess: EntanglingCloner(TRANSMITTANCE, excess),
)
