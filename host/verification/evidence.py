"""Tests that may be looked at after every symbol and stopped at will: evidence processes.

Each test keeps a number E that, for a channel as declared, is a non-negative supermartingale that
starts at 1. By Ville's inequality it ever reaches 1/α with probability α at most, however often it
is looked at and whatever the stopping rule: that is the argument that covers optional stopping. E
is a mixture over a grid of alternatives of likelihood ratios, so a mild deviation is found late and
a gross one at once. All functions return ln E.

What "as declared" means for the noise: per row, white noise of variance w in all N modes, and what
the client's amplifier and phase errors add, of s in all, in whatever direction. Directions are the
client's secret, so s is put into a single mode, where it makes the largest fluctuations; the
logarithm of a moment generating function is convex in the variances, so this covers all others.
Phase errors count as Gaussian, which holds for small ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from shotveil.models.common.checks import require
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics

# Relative deviations from what is declared that are looked for; uniform weights on a log grid.
_DEVIATIONS = np.geomspace(1e-6, 30, 60)[:, None]


@dataclass(frozen=True)
class HonestNoise:
    """The server's record of honest rows of N `modes`, at most: slope t and noise (SNU).

    white: variance w in every mode. spike: s, what one direction has on top.
    """

    modes: int
    slope: float
    white: float
    spike: float

    @classmethod
    def declared(cls, link: Link, modes: int) -> HonestNoise:
        """What the settings of `link` imply for a layer of N `modes`."""
        receiver = link.server_detector
        concentrated = modes * (link.declared_excess_noise(modes) - link.excess_noise)
        return cls(
            modes,
            float(receiver.slope(link.declared_transmittance)),
            float(receiver.noise_variance(link.excess_noise)),
            receiver.efficiency * concentrated,
        )


def excess_evidence(
    parts: Iterable[tuple[HonestNoise, SymbolStatistics]],
) -> NDArray[np.float64]:
    """ln E against "the noise of every row is at most the declared": whole rows, any layers.

    The statistics may be arrays of one shape (sessions). The residual about the fitted slope is
    never above that about the true one, so a slope other than declared cannot raise it.
    """
    total: NDArray[np.float64] | float = 0.0
    for noise, statistics in parts:
        rows = np.asarray(statistics.count, dtype=np.float64) / noise.modes
        peak = noise.white + noise.spike
        theta = _DEVIATIONS / (1 + _DEVIATIONS) / (2 * peak)
        per_row = -((noise.modes - 1) * np.log1p(-2 * theta * noise.white)) / 2
        per_row = per_row - np.log1p(-2 * theta * peak) / 2
        total = total + theta * _residual(statistics) - rows * per_row
    return _mean(total)


def loss_evidence(
    parts: Iterable[tuple[HonestNoise, SymbolStatistics]],
) -> NDArray[np.float64]:
    """ln E against "the slope is at least the declared one and the noise at most": any layers.

    The noise is counted as w + s along the row that was sent, which holds for any weights and data.
    """
    total: NDArray[np.float64] | float = 0.0
    for noise, statistics in parts:
        variance = noise.white + noise.spike
        deviation = np.minimum(_DEVIATIONS, 1.0)
        tilt = noise.slope * deviation / variance
        qq = np.atleast_1d(np.asarray(statistics.qq, dtype=np.float64))
        shortfall = noise.slope * qq - np.atleast_1d(np.asarray(statistics.qy, dtype=np.float64))
        total = total + tilt * shortfall - tilt**2 * variance * qq / 2
    return _mean(total)


def flatness_evidence(
    noise: HonestNoise, statistics: SymbolStatistics, peak: float
) -> NDArray[np.float64]:
    """ln E, (N,), per mode, against "no mode has more than `peak` times its share of the excess".

    statistics: per mode, arrays (N,), one symbol a row. The share of mode k is the mean of |ξ_k|²
    over the rows so far, on average 1/N; `peak`/N bounds it. Whatever single rows have, their
    variances then sum to at most what a fraction peak/N of rows wholly in that mode would give.
    """
    require("peak", peak, at_least=1)
    fraction = min(1.0, peak / noise.modes)
    whole = noise.white + noise.spike
    theta = _DEVIATIONS / (1 + _DEVIATIONS) / (2 * whole)
    per_row = -((1 - fraction) * np.log1p(-2 * theta * noise.white)) / 2
    per_row = per_row - fraction * np.log1p(-2 * theta * whole) / 2
    count = np.asarray(statistics.count, dtype=np.float64)
    return _mean(theta * _residual(statistics) - count * per_row)


def variance_evidence(squares: ArrayLike, count: ArrayLike, variance: float) -> float:
    """ln E against "independent normals have exactly this `variance`", from their sum of squares.

    Two-sided: half of the mixture looks for more, half for less. squares: Σd², count: how many.
    """
    require("variance", variance, above=0)
    more = _DEVIATIONS[:, 0] / (1 + _DEVIATIONS[:, 0])
    less = -np.minimum(_DEVIATIONS[:, 0], 1e3)
    theta = np.concatenate([more, less]) / (2 * variance)
    total = theta * float(np.asarray(squares)) + float(np.asarray(count)) / 2 * np.log1p(
        -2 * theta * variance
    )
    return float(logsumexp(total) - np.log(len(total)))


def _residual(statistics: SymbolStatistics) -> NDArray[np.float64]:
    """Σ(y − t̂q)², 0 where nothing was sent yet."""
    qq = np.atleast_1d(np.asarray(statistics.qq, dtype=np.float64))
    qy = np.atleast_1d(np.asarray(statistics.qy, dtype=np.float64))
    yy = np.atleast_1d(np.asarray(statistics.yy, dtype=np.float64))
    fitted = np.divide(qy**2, qq, out=np.zeros(np.broadcast(qy, qq).shape), where=qq > 0)
    return np.maximum(yy - fitted, 0.0)


def _mean(logarithms: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Logarithm of the mean over alternatives, which are the first axis."""
    array = np.asarray(logarithms, dtype=np.float64)
    if array.ndim == 0:
        return np.zeros(())
    return np.asarray(logsumexp(array, axis=0) - np.log(len(array)))[()].squeeze()
