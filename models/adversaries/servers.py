"""How a curious server estimates the client's data from the returned light.

An honest server sends coherent rows. M of them return, each with an amplitude that the server knows
and with the client's noise ν in the direction ξ. After the known part is removed, M copies of
vacuum with ν·ξ added are left. From these, each server here estimates |ξ_k|², the power of each
pair of pixels.
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
    """A server that estimates |ξ_k|², shape (N,), from M returned rows.

    variance: variance (SNU) of X in the light that it sends. counts: whether it counts photons.
    """

    @property
    def variance(self) -> float: ...

    @property
    def counts(self) -> bool: ...

    def power(self, link: Link, record: Real) -> Real:
        """Estimate (N,) from records (rows, N): photons, or quadratures minus what was sent."""

    def estimate(self, link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Real:
        """Simulate `rows` returned rows and estimate |ξ_k|² (N,) from them.

        xi: (N,), the client's direction; it makes the light but does not enter the estimate.
        """


@runtime_checkable
class ProbingServer(CuriousServer, Protocol):
    """A curious server that sends another kind of light, which a client's check can notice."""

    def readings(
        self, link: Link, direction: Complex, means: Real, images: int, rng: np.random.Generator
    ) -> Real:
        """Readings (images, slots) of an ideal detector of the client in a check, in SNU^(1/2).

        direction: (N,), the client's direction, which is the same for all images.
        means: (slots,), the mean of X in that direction, in SNU^(1/2).
        """


def returned_noise(link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Complex:
    """Amplitudes (rows, N) of the returned light minus what was sent: vacuum and the client's ν.

    They are in SNU^(1/2). Raises `RangeError` unless `rows` is an integer ≥ 1.
    """
    require("rows", rows, at_least=1, integer=True)
    nu = vacuum((rows, 1), rng, link.noise_quantum * link.transmittance_back)
    return vacuum((rows, len(xi)), rng) + nu * xi


def counted(link: Link, xi: Complex, nu: Complex, rng: np.random.Generator) -> Real:
    """Photon counts (rows, N) of returned coherent light after what was sent is displaced away.

    xi: (..., N), directions. nu: (rows,), ν of each row in SNU^(1/2). Raises `RangeError` if the
    link has phase errors, because then the server does not know what to displace by.
    """
    require("phase error", link.phase_error, at_least=0, at_most=0)
    left = math.sqrt(link.transmittance_back) * nu[:, None] * xi
    if link.excess_noise:
        left = left + vacuum(left.shape, rng, link.excess_noise)
    mean = link.server_detector.efficiency * np.abs(left) ** 2 / 4
    return rng.poisson(mean).astype(np.float64)


def ideal(link: Link) -> Link:
    """The same link with an ideal detector at the server and without technical noise."""
    return replace(link, server_detector=Detector(), excess_noise=0.0)


def seen_noise(link: Link) -> float:
    """Variance (SNU) of ν per quadrature, as the server's detector records it."""
    return link.noise_quantum * link.transmittance_back * link.server_detector.efficiency


def fisher_bits(estimates: Real, truth: NDArray[np.float64], prior_variance: float) -> float:
    """Bits ½·log2(1 + prior/error) per element that estimates with their mean square error hold."""
    error = float(np.mean((estimates - truth) ** 2))
    return math.log2(1 + prior_variance / error) / 2
