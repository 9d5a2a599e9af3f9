"""The channel from finite data: estimates, and the worst case at a stated failure probability.

From m verified symbols y = t·q + noise, least squares gives t̂ = Σqy/Σq² and the residual sum
R = Σ(y − t̂q)². For independent Gaussian noise of one variance σ² these are independent, and

    (t̂ − t)/(s/√Σq²), s² = R/(m − 1), has Student's t distribution,
    R/σ² has the χ² distribution, both with m − 1 degrees of freedom,

exactly and at every m. (At the m of practice, Student's t is very close to the normal
distribution.) Every function broadcasts over arrays of statistics.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainccinv, gammaincinv, stdtrit

from shotveil.models.common.checks import require
from shotveil.models.link.optics import Detector
from shotveil.models.link.statistics import SymbolStatistics


class ChannelEstimate(NamedTuple):
    """Power transmittance T and excess noise ε (SNU, at the returned mode), with their signs.

    By chance alone, an estimate may be one that no channel can have, with T > 1 or ε < 0.
    """

    transmittance: NDArray[np.float64] | float
    excess_noise: NDArray[np.float64] | float

    def nearest_physical(self) -> ChannelEstimate:
        """Return min(1, max(0, T)) and max(0, ε), the channel whose leakage stands for this one.

        This is the only rule by which an estimate outside the physical range gets a leakage. It
        never lowers the bound: χ at T = 1 exceeds that of a channel that amplifies (T > 1) with the
        same ε, and χ grows with ε. At T ≤ 0 no light is known to come back, and all light of the
        weights counts as the client's.
        """
        return ChannelEstimate(
            np.clip(self.transmittance, 0.0, 1.0), np.maximum(self.excess_noise, 0.0)
        )


def estimated_channel(statistics: SymbolStatistics, receiver: Detector) -> ChannelEstimate:
    """Return T̂ = t̂|t̂|/η_s and ε̂ = (σ̂² − 1 − v_el)/η_s with σ̂² = R/m.

    Raises `RangeError` for fewer than 2 symbols or Σq² = 0.
    """
    _require_symbols(statistics)
    variance = statistics.residual / np.asarray(statistics.count, dtype=np.float64)
    return _channel_behind(receiver, statistics.slope, variance)


def standard_errors(
    statistics: SymbolStatistics, receiver: Detector
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the standard errors of T̂, 2|t̂|·s/√Σq²/η_s, and of ε̂, s²·√(2/(m−1))/η_s.

    Raises `RangeError` for fewer than 2 symbols or Σq² = 0.
    """
    of_transmittance = 2 * np.abs(statistics.slope) * _slope_error(statistics) / receiver.efficiency
    variance = _unbiased_variance(statistics)
    of_excess = variance * np.sqrt(2 / _freedom(statistics)) / receiver.efficiency
    return of_transmittance, of_excess


def slope_min(statistics: SymbolStatistics, failure_probability: ArrayLike) -> NDArray[np.float64]:
    """Return t_min = t̂ − Student⁻¹(1 − p; m − 1)·s/√Σq², the lower confidence limit of t.

    failure_probability: Probability p in (0, ½) that t < t_min. Raises `RangeError` for another
    probability, fewer than 2 symbols or Σq² = 0.
    """
    require("failure_probability", failure_probability, above=0, below=0.5)
    quantile = stdtrit(_freedom(statistics), failure_probability)  # negative
    return statistics.slope + quantile * _slope_error(statistics)


def noise_variance_max(
    statistics: SymbolStatistics, failure_probability: ArrayLike
) -> NDArray[np.float64]:
    """Return σ²_max = R/χ²⁻¹(p; m − 1), the upper confidence limit of σ².

    failure_probability: Probability p in (0, ½) that σ² > σ²_max. Raises `RangeError` for another
    probability or fewer than 2 symbols.
    """
    require("failure_probability", failure_probability, above=0, below=0.5)
    _require_symbols(statistics)
    quantile = 2 * gammaincinv(_freedom(statistics) / 2, failure_probability)
    return statistics.residual / quantile


def certified_channel(
    statistics: SymbolStatistics, receiver: Detector, failure_probability: ArrayLike
) -> ChannelEstimate:
    """Return (T_min, ε_max); the true channel is no worse in either, except with probability δ.

    Half of `failure_probability` δ in (0, 1) goes to each limit. Since χ falls with T and grows
    with ε, its value at (T_min, ε_max) bounds the leakage with the same δ. Both allow for any drift
    of the shot-noise unit that `receiver` states. Raises `RangeError` for
    another probability, fewer than 2 symbols or Σq² = 0.
    """
    require("failure_probability", failure_probability, above=0, below=1)
    share = np.asarray(failure_probability, dtype=np.float64) / 2
    kappa = receiver.shot_noise_drift
    return _channel_behind(
        receiver,
        slope_min(statistics, share) / np.sqrt(1 + kappa),
        noise_variance_max(statistics, share) / (1 - kappa),
    )


def transmittance_below(
    statistics: SymbolStatistics,
    receiver: Detector,
    transmittance: ArrayLike,
    false_alarm_probability: ArrayLike,
) -> NDArray[np.bool_]:
    """Return whether t̂ is too small for the declared `transmittance`, by a one-sided test.

    false_alarm_probability: Probability in (0, ½) of the result "true" for a channel with exactly
    the declared T. Raises `RangeError` as `slope_min`.
    """
    require("false_alarm_probability", false_alarm_probability, above=0, below=0.5)
    allowed = stdtrit(_freedom(statistics), false_alarm_probability) * _slope_error(statistics)
    shown = receiver.slope(transmittance) * np.sqrt(1 + receiver.shot_noise_drift)
    return np.asarray(statistics.slope - shown < allowed)


def excess_noise_above(
    statistics: SymbolStatistics,
    receiver: Detector,
    excess_noise: ArrayLike,
    false_alarm_probability: ArrayLike,
) -> NDArray[np.bool_]:
    """Return whether R is too large for the declared `excess_noise` (SNU), by a one-sided test.

    false_alarm_probability: Probability in (0, ½) of the result "true" for a channel with exactly
    the declared ε. Raises `RangeError` as `noise_variance_max`.
    """
    require("false_alarm_probability", false_alarm_probability, above=0, below=0.5)
    _require_symbols(statistics)
    limit = 2 * gammainccinv(_freedom(statistics) / 2, false_alarm_probability)
    shown = receiver.noise_variance(excess_noise) * (1 - receiver.shot_noise_drift)
    return np.asarray(statistics.residual / shown > limit)


def _channel_behind(
    receiver: Detector, slope: ArrayLike, noise_variance: ArrayLike
) -> ChannelEstimate:
    """Return the channel of slope t and noise σ²: T = t·|t|/η_s, ε = (σ² − 1 − v_el)/η_s."""
    t = np.asarray(slope, dtype=np.float64)
    excess = np.asarray(noise_variance, dtype=np.float64) - 1 - receiver.electronic_noise
    return ChannelEstimate(t * np.abs(t) / receiver.efficiency, excess / receiver.efficiency)


def _require_symbols(statistics: SymbolStatistics) -> None:
    require("count of verified symbols", statistics.count, at_least=2, integer=True)


def _freedom(statistics: SymbolStatistics) -> NDArray[np.float64]:
    return np.asarray(statistics.count, dtype=np.float64) - 1


def _unbiased_variance(statistics: SymbolStatistics) -> NDArray[np.float64]:
    _require_symbols(statistics)
    return statistics.residual / _freedom(statistics)


def _slope_error(statistics: SymbolStatistics) -> NDArray[np.float64]:
    """Return s/√Σq², the standard error of t̂."""
    variance = _unbiased_variance(statistics)
    return np.sqrt(variance / np.asarray(statistics.qq, dtype=np.float64))
