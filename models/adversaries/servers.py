"""Servers that are after the data: what they measure of the light that comes back, and what of it.

An honest server sends coherent rows; M of them return, each displaced by what the server knows,
with the client's noise ν in the direction ξ. Taking the known part away leaves M copies of vacuum
with ν·ξ on top, from which each server here estimates |ξ_k|², the power of each pair of pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.checks import require
from models.encoding import Complex, Real
from models.optics import Link
from models.symbols import vacuum


class CuriousServer(Protocol):
    """Estimates |ξ_k|², (N,), from M returned rows."""

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

    def estimate(self, link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Real:
        light = returned_noise(link, xi, rows, rng)
        y = np.where(np.arange(rows)[:, None] % 2, light.imag, light.real)
        return (np.mean(y**2, axis=0) - 1) / (link.noise_quantum * link.transmittance_back)


@dataclass(frozen=True)
class PhotonCounter:
    """Displaces the light back to vacuum and counts photons: without ν there are none.

    Given ν the light in mode k is a coherent state of |ν·ξ_k|²/4 photons, so counts are Poissonian.
    """

    def estimate(self, link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Real:
        nu = vacuum((rows, 1), rng, link.noise_quantum * link.transmittance_back)
        counts = rng.poisson(np.abs(nu * xi) ** 2 / 4)
        # ⟨|ν|²⟩/4 = g/2 photons a row.
        return counts.mean(axis=0) / (link.noise_quantum * link.transmittance_back / 2)


@dataclass(frozen=True)
class Squeezer:
    """Sends light squeezed by `decibels` in a quadrature and homodynes that: less noise above ν.

    Loss on either way lets vacuum back in; the squeezed quadrature is X of every mode.
    """

    decibels: float

    def __post_init__(self) -> None:
        require("squeezing", self.decibels, at_least=0, at_most=30)

    @property
    def variance(self) -> float:
        """Of the squeezed quadrature as sent, SNU; the other has its inverse."""
        return float(10 ** (-self.decibels / 10))

    def probe(self, shape: tuple[int, ...], rng: np.random.Generator) -> Complex:
        """What takes the place of the vacuum in the light that is sent."""
        x, p = rng.standard_normal((2, *shape))
        return x * math.sqrt(self.variance) + 1j * p / math.sqrt(self.variance)

    def estimate(self, link: Link, xi: Complex, rows: int, rng: np.random.Generator) -> Real:
        t = link.transmittance
        probe = math.sqrt(t) * self.probe((rows, len(xi)), rng)
        probe += math.sqrt(1 - t) * vacuum((rows, len(xi)), rng)
        nu = vacuum((rows, 1), rng, link.noise_quantum * link.transmittance_back)
        seen = (probe + nu * xi).real
        floor = t * self.variance + 1 - t
        excess = np.mean(seen**2, axis=0) - floor
        return excess / (link.noise_quantum * link.transmittance_back)

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


def fisher_bits(estimates: Real, truth: NDArray[np.float64], prior_variance: float) -> float:
    """½·log2(1 + prior/error): bits per element that estimates with such an error can hold."""
    error = float(np.mean((estimates - truth) ** 2))
    return math.log2(1 + prior_variance / error) / 2
