"""Servers that are after the data: what they measure of the light that comes back, and what of it.

An honest server sends coherent rows; M of them return, each displaced by what the server knows,
with the client's noise ν in the direction ξ. Taking the known part away leaves M copies of vacuum
with ν·ξ on top, from which each server here estimates |ξ_k|², the power of each pair of pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Complex, Real
from shotveil.models.link.optics import Detector, Link
from shotveil.models.link.symbols import vacuum

MOST_SQUEEZING = 30.0  # dB


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


def returned_noise(link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Complex:
    """(rows, N) amplitudes of the returned light, less what was sent: vacuum and the client's ν."""
    require("rows", rows, at_least=1, integer=True)
    nu = vacuum((rows, 1), rng, link.noise_quantum * link.transmittance_back)
    return vacuum((rows, len(xi)), rng) + nu * xi


@dataclass(frozen=True)
class Homodyner:
    """Measures X of half the rows and P of the other half: sees ν above the vacuum's own noise."""

    variance = 1.0
    counts = False

    def power(self, link: Link, record: Real) -> Real:
        floor = link.server_detector.noise_variance(link.excess_noise)
        return np.asarray((np.mean(record**2, axis=0) - floor) / _seen_noise(link))

    def estimate(self, link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Real:
        light = returned_noise(link, xi, rows, rng)
        y = np.where(np.arange(rows)[:, None] % 2, light.imag, light.real)
        return self.power(ideal(link), y)


@dataclass(frozen=True)
class PhotonCounter:
    """Displaces the light back to vacuum and counts photons: without ν there are none.

    Given ν the light in mode k is a coherent state of |ν·ξ_k|²/4 photons, so counts are Poissonian.
    """

    variance = 1.0
    counts = True

    def power(self, link: Link, record: Real) -> Real:
        # ⟨|ν|²⟩/4 = g/2 photons a row, and as many of the technical noise in every mode.
        floor = link.server_detector.efficiency * link.excess_noise / 2
        return np.asarray((record.mean(axis=0) - floor) / (_seen_noise(link) / 2))

    def estimate(self, link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Real:
        nu = vacuum((rows,), rng, link.noise_quantum)
        return self.power(ideal(link), counted(ideal(link), xi, nu, rng))


@dataclass(frozen=True)
class Squeezer:
    """Sends light squeezed by `decibels` in a quadrature and homodynes that: less noise above ν.

    Loss on either way lets vacuum back in; the squeezed quadrature is X of every mode.
    """

    decibels: float

    def __post_init__(self) -> None:
        require("squeezing", self.decibels, at_least=0, at_most=MOST_SQUEEZING)

    @classmethod
    def of(cls, variance: float) -> Squeezer:
        """By the variance (SNU) of the squeezed quadrature; raises `RangeError`."""
        require("squeezed variance", variance, above=0, at_most=1)
        return cls(-10 * math.log10(variance))

    @property
    def counts(self) -> bool:
        return False

    @property
    def variance(self) -> float:
        """Of the squeezed quadrature as sent, SNU; the other has its inverse."""
        return float(10 ** (-self.decibels / 10))

    def probe(self, shape: tuple[int, ...], rng: np.random.Generator) -> Complex:
        """What takes the place of the vacuum in the light that is sent."""
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
        return np.asarray((np.mean(record**2, axis=0) - floor) / _seen_noise(link))

    def readings(
        self, link: Link, direction: Complex, means: Real, images: int, rng: np.random.Generator
    ) -> Real:
        """What an ideal detector of the client reads in a check, (images, slots), SNU^(1/2).

        direction: (N,) the client's, repeated for all images. means: (slots,) mean of X in it.
        """
        shape = images, len(means)
        # X of mode 1 is Σ Re(ξ*_k a_k): squeezed by Re ξ, stretched by Im ξ.
        variance = float(
            np.sum(direction.real**2) * self.variance + np.sum(direction.imag**2) / self.variance
        )
        variance = link.transmittance_out * variance + 1 - link.transmittance_out
        gain = link.gain
        one = means + math.sqrt(variance) * rng.standard_normal(shape)
        idler, port = rng.standard_normal((2, *shape))
        amplified = math.sqrt(gain) * one + math.sqrt(gain - 1) * idler
        return math.sqrt(1 - 1 / gain) * amplified + math.sqrt(1 / gain) * port


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


def _seen_noise(link: Link) -> float:
    """Variance (SNU) of ν, per quadrature, as the server's receiver sees it."""
    return link.noise_quantum * link.transmittance_back * link.server_detector.efficiency


def fisher_bits(estimates: Real, truth: NDArray[np.float64], prior_variance: float) -> float:
    """½·log2(1 + prior/error): bits per element that estimates with such an error can hold."""
    error = float(np.mean((estimates - truth) ** 2))
    return math.log2(1 + prior_variance / error) / 2
