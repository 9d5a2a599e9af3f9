"""A server that sends squeezed light, to see the client's noise better."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import ServerAdversary, Strength
from shotveil.models.adversaries.servers import ideal, seen_noise
from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Complex, Real
from shotveil.models.link.optics import Link
from shotveil.models.link.symbols import vacuum

MOST_SQUEEZING = 30.0  # dB


@dataclass(frozen=True)
class Squeezer:
    """A server that sends light with X of every mode squeezed by `decibels`, and homodynes X.

    The squeezed quadrature has less vacuum noise to hide ν; loss on each way adds vacuum again.
    Raises `RangeError` for a squeezing out of range.
    """

    decibels: float

    def __post_init__(self) -> None:
        require("squeezing", self.decibels, at_least=0, at_most=MOST_SQUEEZING)

    @classmethod
    def of(cls, variance: float) -> Squeezer:
        """The server whose squeezed quadrature has a `variance` (SNU) above 0 and at most 1.

        Raises `RangeError` for any other variance, and for more squeezing than is allowed.
        """
        require("squeezed variance", variance, above=0, at_most=1)
        return cls(-10 * math.log10(variance))

    @property
    def counts(self) -> bool:
        return False

    @property
    def variance(self) -> float:
        """Variance (SNU) of the squeezed quadrature as sent; the other has the inverse."""
        return float(10 ** (-self.decibels / 10))

    def probe(self, shape: tuple[int, ...], rng: np.random.Generator) -> Complex:
        """Squeezed vacuum of the given `shape`, in SNU^(1/2), which replaces the vacuum as sent."""
        x, p = rng.standard_normal((2, *shape))
        return x * math.sqrt(self.variance) + 1j * p / math.sqrt(self.variance)

    def estimate(self, link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Real:
        t, link = link.transmittance, ideal(link)
        probe = math.sqrt(t) * self.probe((rows, len(xi)), rng)
        probe += math.sqrt(1 - t) * vacuum((rows, len(xi)), rng)
        nu = vacuum((rows, 1), rng, link.noise_quantum * link.transmittance_back)
        return self.power(link, (probe + nu * xi).real)

    def power(self, link: Link, record: Real) -> Real:
        receiver = link.server_detector
        t = receiver.efficiency * link.transmittance
        floor = receiver.noise_variance(link.excess_noise) - t * (1 - self.variance)
        return np.asarray((np.mean(record**2, axis=0) - floor) / seen_noise(link))

    def readings(
        self, link: Link, direction: Complex, means: Real, images: int, rng: np.random.Generator
    ) -> Real:
        """Readings (images, slots) of an ideal detector of the client in a check, in SNU^(1/2).

        direction: (N,), the client's direction, which is the same for all images.
        means: (slots,), the mean of X in that direction, in SNU^(1/2).
        """
        shape = images, len(means)
        # X of mode 1 is Σ Re(ξ*_k a_k): Re ξ weights the squeezed quadratures, Im ξ the others.
        variance = float(
            np.sum(direction.real**2) * self.variance + np.sum(direction.imag**2) / self.variance
        )
        variance = link.transmittance_out * variance + 1 - link.transmittance_out
        gain = link.gain
        one = means + math.sqrt(variance) * rng.standard_normal(shape)
        idler, port = rng.standard_normal((2, *shape))
        amplified = math.sqrt(gain) * one + math.sqrt(gain - 1) * idler
        return math.sqrt(1 - 1 / gain) * amplified + math.sqrt(1 / gain) * port


SQUEEZING_SERVER = ServerAdversary(
    name="squeezing-server",
    says="sends squeezed light and measures what returns of it for the client's data",
    strength=Strength("squeezing (dB)", usual=10.0, at_least=0, at_most=MOST_SQUEEZING),
    covered_by="",  # there is no bound; only the client's check protects against it
    make=Squeezer,
)
