"""Sequential tests (e-processes): they may be read after every symbol and stopped at any time.

Each test keeps a number E. For a channel as declared, E is a non-negative supermartingale that
starts at 1. By Ville's inequality the probability that it ever reaches 1/α is at most α, however
often it is read and whatever the stopping rule. E is a mixture of likelihood ratios over a grid of
alternatives, so it finds a mild deviation late and a large one at once. All functions return ln E.

The declared noise of a row is white noise of variance w in all N modes, plus the noise of the
client's amplifier and phase errors, of variance s in total and in an unknown direction. Directions
are the client's secret, so the tests put s into a single mode, where it makes the largest
fluctuations. The logarithm of a moment generating function is convex in the variances, so this
covers all other directions. Phase errors count as Gaussian, which holds for small ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.models.common.checks import require
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics

# The relative deviations from the declared values that the tests look for: a logarithmic grid with
# equal weights.
_DEVIATIONS = np.geomspace(1e-6, 30, 60)[:, None]


@dataclass(frozen=True)
class HonestNoise:
    """The noise (SNU) of an honest row of N `modes` in the server's record, at most.

    slope: The declared slope t of the record on the amplitudes sent.
    white: Variance w in every mode.
    spike: Additional variance s in one direction.
    """

    modes: int
    slope: float
    white: float
    spike: float

    @classmethod
    def declared(cls, link: Link, modes: int) -> HonestNoise:
        """Return the noise that the settings of `link` imply for a layer of N `modes`."""
        receiver = link.server_detector
        honest = link.honest_excess_noise_at(link.gain, link.photons, modes)
        concentrated = modes * (honest - link.excess_noise)
        most = 1 + receiver.shot_noise_drift  # of the record, while its unit is trusted to that
        return cls(
            modes,
            float(receiver.slope(link.declared_transmittance_at(modes))) * math.sqrt(most),
            float(receiver.noise_variance(link.excess_noise)) * most,
            receiver.efficiency * concentrated * most,
        )


def excess_evidence(
    parts: Iterable[tuple[HonestNoise, SymbolStatistics]],
) -> NDArray[np.float64]:
    """Return ln E against "every row has at most the declared noise", over any layers.

    parts: The declared noise and the statistics of each part. The statistics may be arrays of one
    shape, for that many sessions; the result has the same shape. The residual about the fitted
    slope never exceeds the one about the true slope, so a slope other than the declared one cannot
    raise E.
    """
    total: NDArray[np.float64] | float = 0.0
    for noise, statistics in parts:
        rows = np.asarray(statistics.count, dtype=np.float64) / noise.modes
        peak = noise.white + noise.spike
        theta = _DEVIATIONS / (1 + _DEVIATIONS) / (2 * peak)
        per_row = -((noise.modes - 1) * np.log1p(-2 * theta * noise.white)) / 2
        per_row = per_row - np.log1p(-2 * theta * peak) / 2
        total = total + theta * _residual(statistics) - rows * per_row
    return log_mean(total)


def loss_evidence(
    parts: Iterable[tuple[HonestNoise, SymbolStatistics]],
) -> NDArray[np.float64]:
    """Return ln E against "the slope is at least, and the noise at most, the declared one".

    Arguments and shape are those of `excess_evidence`. The noise along the row that was sent counts
    as w + s, its largest value for any weights and data.
    """
    total: NDArray[np.float64] | float = 0.0
    for noise, statistics in parts:
        variance = noise.white + noise.spike
        deviation = np.minimum(_DEVIATIONS, 1.0)
        tilt = noise.slope * deviation / variance
        qq = np.atleast_1d(np.asarray(statistics.qq, dtype=np.float64))
        shortfall = noise.slope * qq - np.atleast_1d(np.asarray(statistics.qy, dtype=np.float64))
        total = total + tilt * shortfall - tilt**2 * variance * qq / 2
    return log_mean(total)


def largest_flatness_evidence(
    noise: HonestNoise, statistics: SymbolStatistics, peak: float
) -> float:
    """Return the largest number of `flatness_evidence`.

    It grows with a mode's residual, so of modes with equally many symbols only one counts.
    """
    count, residual = np.broadcast_arrays(statistics.count, _residual(statistics))
    largest = [
        int(np.argmax(np.where(count == number, residual, -1.0))) for number in np.unique(count)
    ]
    sums = (np.broadcast_to(v, count.shape)[largest] for v in vars(statistics).values())
    return float(np.max(flatness_evidence(noise, SymbolStatistics(*sums), peak)))


def flatness_evidence(
    noise: HonestNoise, statistics: SymbolStatistics, peak: float
) -> NDArray[np.float64]:
    """Return ln E, shape (N,), against "no mode has more than peak/N of the excess noise".

    statistics: Sums for each mode, arrays (N,), with one symbol for each row.
    peak: Largest allowed share of a mode in units of 1/N, ≥ 1.

    The share of mode k is the mean of |ξ_k|² over the rows so far, which is 1/N on average. If it
    is at most peak/N, the variances of the rows in that mode sum to at most what they would be if a
    fraction peak/N of the rows were wholly in that mode. Raises `RangeError` for peak < 1.
    """
    require("peak", peak, at_least=1)
    fraction = min(1.0, peak / noise.modes)
    whole = noise.white + noise.spike
    theta = _DEVIATIONS / (1 + _DEVIATIONS) / (2 * whole)
    per_row = -((1 - fraction) * np.log1p(-2 * theta * noise.white)) / 2
    per_row = per_row - fraction * np.log1p(-2 * theta * whole) / 2
    count = np.asarray(statistics.count, dtype=np.float64)
    return log_mean(theta * _residual(statistics) - count * per_row)


def variance_evidence(squares: ArrayLike, count: ArrayLike, variance: float) -> float:
    """Return ln E against "independent normal numbers d have exactly this `variance`".

    squares: Their sum of squares Σd².
    count: How many there are.

    The test is two-sided: half of the mixture looks for a larger variance, half for a smaller one.
    Raises `RangeError` unless variance > 0.
    """
    require("variance", variance, above=0)
    more = _DEVIATIONS[:, 0] / (1 + _DEVIATIONS[:, 0])
    less = -np.minimum(_DEVIATIONS[:, 0], 1e3)
    theta = np.concatenate([more, less]) / (2 * variance)
    total = theta * float(np.asarray(squares)) + float(np.asarray(count)) / 2 * np.log1p(
        -2 * theta * variance
    )
    return float(log_mean(total))


def _residual(statistics: SymbolStatistics) -> NDArray[np.float64]:
    """Return Σ(y − t̂q)², which is 0 where nothing was sent yet."""
    qq = np.atleast_1d(np.asarray(statistics.qq, dtype=np.float64))
    qy = np.atleast_1d(np.asarray(statistics.qy, dtype=np.float64))
    yy = np.atleast_1d(np.asarray(statistics.yy, dtype=np.float64))
    fitted = np.divide(qy**2, qq, out=np.zeros(np.broadcast(qy, qq).shape), where=qq > 0)
    return np.maximum(yy - fitted, 0.0)


def log_mean(logarithms: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return the logarithm of the mean over the alternatives, which are the first axis."""
    array = np.asarray(logarithms, dtype=np.float64)
    if array.ndim == 0:
        return np.zeros(())
    # SciPy's `logsumexp` says the same, and takes several times as long for so few numbers.
    top = array.max(axis=0)
    return np.asarray(top + np.log(np.mean(np.exp(array - top), axis=0)))[()].squeeze()
