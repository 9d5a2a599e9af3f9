"""What a server that is after the data makes of the light that comes back.

An honest server sends coherent rows; M of them return, each displaced by what the server knows,
with the client's noise ν in the direction ξ. Taking the known part away leaves M copies of vacuum
with ν·ξ on top, from which each server here estimates |ξ_k|², the power of each pair of pixels.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Complex, Real
from shotveil.models.link.optics import Detector, Link
from shotveil.models.link.symbols import vacuum


class CuriousServer(Protocol):
    """Estimates |ξ_k|², (N,), from M returned rows.

    variance: of X in the light that it sends, SNU. counts: whether it counts photons.
    """

    @property
    def variance(self) -> float: ...

    @property
    def counts(self) -> bool: ...

    def power(self, link: Link, record: Real) -> Real:
        """Estimate (N,) from records (rows, N): quadratures less what was sent, or photons."""

    def estimate(self, link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Real:
        """xi: (N,) the client's direction; known to the simulation, not to the estimate."""


@runtime_checkable
class ProbingServer(CuriousServer, Protocol):
    """A curious server that sends light of its own kind, which a client's check can notice."""

    def readings(
        self, link: Link, direction: Complex, means: Real, images: int, rng: np.random.Generator
    ) -> Real:
        """What an ideal detector of the client reads in a check, (images, slots), SNU^(1/2).

        direction: (N,) the client's, repeated for all images. means: (slots,) mean of X in it.
        """


def returned_noise(link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Complex:
    """(rows, N) amplitudes of the returned light, less what was sent: vacuum and the client's ν."""
    require("rows", rows, at_least=1, integer=True)
    nu = vacuum((rows, 1), rng, link.noise_quantum * link.transmittance_back)
    return vacuum((rows, len(xi)), rng) + nu * xi


def counted(link: Link, xi: Complex, nu: Complex, rng: np.random.Generator) -> Real:
    """Photons (rows, N) counted of coherent light that returned, displaced by what was sent.

    xi: (..., N) directions, nu: (rows,) ν of each row. Raises `RangeError` where phase errors make
    what was sent unknown.
    """
    require("phase error", link.phase_error, at_least=0, at_most=0)
    left = math.sqrt(link.transmittance_back) * nu[:, None] * xi
    if link.excess_noise:
        left = left + vacuum(left.shape, rng, link.excess_noise)
    mean = link.server_detector.efficiency * np.abs(left) ** 2 / 4
    return rng.poisson(mean).astype(np.float64)


def ideal(link: Link) -> Link:
    """The link with a perfect receiver at the server and no technical noise."""
    return replace(link, server_detector=Detector(), excess_noise=0.0)


def seen_noise(link: Link) -> float:
    """Variance (SNU) of ν, per quadrature, as the server's receiver sees it."""
    return link.noise_quantum * link.transmittance_back * link.server_detector.efficiency


def fisher_bits(estimates: Real, truth: NDArray[np.float64], prior_variance: float) -> float:
    """½·log2(1 + prior/error): bits per element that estimates with such an error can hold."""
    error = float(np.mean((estimates - truth) ** 2))
    return math.log2(1 + prior_variance / error) / 2
