"""A phase-sensitive client: it reads X, and all the noise that it returns is in P."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import ComponentAdversary, Strength
from shotveil.models.adversaries.components import Play, allowed
from shotveil.models.link.encoding import Real
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class PhaseSensitiveClient:
    """A client with a quantum nondemolition reading of X, in place of the amplifier and the tap.

    It reads the product with its data with a noise of 1/b (SNU) beside the light's own vacuum, and
    adds b to P of that mode. X and P pooled may then show what is declared: b is `share` times
    what an honest amplifier adds to both together.
    """

    share: float

    def weights(self, modes: int) -> Real:
        return np.ones(modes)

    def play(self, link: Link, energies: Real) -> Play:
        transmittance, total, unit = allowed(link, len(energies))
        noise_x, noise_p = np.zeros((2, len(energies)))
        noise_p[0] = 2 * self.share * total  # the mode that it asks for
        signal = energies[0] * link.transmittance_out
        read = math.log2(1 + signal / (1 + 1 / noise_p[0])) / 2 if noise_p[0] else 0.0
        return Play(energies, np.full(len(energies), transmittance), noise_x, noise_p, read, unit)


PHASE_SENSITIVE_CLIENT = ComponentAdversary(
    name="phase-sensitive-client",
    says="reads X alone, and returns all its noise in P",
    strength=Strength("noise in P against what is allowed in both", usual=1, at_least=0, at_most=1),
    covered_by="holevo",
    make=PhaseSensitiveClient,
)
