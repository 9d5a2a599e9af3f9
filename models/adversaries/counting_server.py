"""A server that counts photons in the returned light, after removing what it sent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import ServerAdversary
from shotveil.models.adversaries.servers import counted, ideal, seen_noise
from shotveil.models.link.encoding import Complex, Real
from shotveil.models.link.optics import Link
from shotveil.models.link.symbols import vacuum


@dataclass(frozen=True)
class PhotonCounter:
    """A server that displaces the light back to vacuum and counts the photons that ν leaves.

    Given ν, the light in mode k is a coherent state of |ν·ξ_k|²/4 photons: counts are Poissonian.
    """

    variance = 1.0
    counts = True

    def power(self, link: Link, record: Real) -> Real:
        # A row has ⟨|ν|²⟩/4 = g/2 photons on average, and each mode ε/2 from technical noise.
        floor = link.server_detector.efficiency * link.excess_noise / 2
        return np.asarray((record.mean(axis=0) - floor) / (seen_noise(link) / 2))

    def estimate(self, link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Real:
        nu = vacuum((rows,), rng, link.noise_quantum)
        return self.power(ideal(link), counted(ideal(link), xi, nu, rng))


COUNTING_SERVER = ServerAdversary(
    name="counting-server",
    says="measures the light that returns for the client's data, by counting photons",
    strength=None,
    covered_by="holevo",
    make=lambda _: PhotonCounter(),
)
