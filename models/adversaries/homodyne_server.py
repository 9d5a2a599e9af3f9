"""A server that measures the returned light by homodyning, to see the client's noise in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import ServerAdversary
from shotveil.models.adversaries.servers import ideal, returned_noise, seen_noise
from shotveil.models.link.encoding import Complex, Real
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class Homodyner:
    """A server that measures X of half the rows and P of the others, and so sees ν in the noise."""

    variance = 1.0
    counts = False

    def power(self, link: Link, record: Real) -> Real:
        floor = link.server_detector.noise_variance(link.excess_noise)
        return np.asarray((np.mean(record**2, axis=0) - floor) / seen_noise(link))

    def estimate(self, link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Real:
        light = returned_noise(link, xi, rows, rng)
        y = np.where(np.arange(rows)[:, None] % 2, light.imag, light.real)
        return self.power(ideal(link), y)


HOMODYNE_SERVER = ServerAdversary(
    name="homodyne-server",
    says="measures the light that returns for the client's data, by homodyning",
    strength=None,
    covered_by="holevo",
    make=lambda _: Homodyner(),
)
