"""The server's verdict on a channel: whether to accept it, and what leaked, in three senses.

The *declared* figure is what the settings imply, the *estimated* one what the data suggest, and the
*certified* one the worst case that the data allow at a stated failure probability. They answer
different questions and never stand in for each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.host.leakage.catalogue import CERTIFIED_BOUND, WEIGHT_BOUND, WEIGHT_BOUNDS
from shotveil.host.leakage.certificate import (
    ChannelEstimate,
    certified_channel,
    estimated_channel,
    excess_noise_above,
    standard_errors,
    transmittance_below,
)
from shotveil.host.verification.levels import FAILURE_PROBABILITY, FALSE_ALARM_PROBABILITY
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.optics import Detector
from shotveil.models.link.statistics import SymbolStatistics


@dataclass(frozen=True)
class WeightLeakage:
    """Holevo bound on what leaked of the weights, in bits per real weight, in three senses."""

    declared: float
    """Bound at the declared (T, ε)."""
    estimated: float
    """Bound at the physical channel nearest to (T̂, ε̂); it comes with no confidence."""
    certified: float
    """Bound at (T_min, ε_max), of clients that may amplify as well, which verification does not
    exclude in time; it is wrong with at most the failure probability."""


@dataclass(frozen=True)
class Verification:
    """The server's conclusions from the verified symbols.

    T is the power transmittance, and the excess noise ε is in SNU.
    """

    accepted: bool
    reason: str
    """One sentence that compares what was found with what was declared."""
    symbols: int
    transmittance: float
    """T̂, with the sign of t̂; above 1 is possible by chance."""
    transmittance_error: float
    """Standard error of T̂."""
    excess_noise: float
    """ε̂, with its sign: below 0 is possible by chance."""
    excess_noise_error: float
    """Standard error of ε̂."""
    transmittance_min: float
    """Lower confidence limit of T."""
    excess_noise_max: float
    """Upper confidence limit of ε."""
    failure_probability: float
    """Probability δ that either of the two limits is wrong."""
    false_alarm_probability: float
    """Largest probability of rejecting a channel that is as declared."""
    weight_leakage: WeightLeakage


def verify(
    statistics: SymbolStatistics,
    *,
    declared: ChannelEstimate,
    modulation_variance: float,
    receiver: Detector = Detector(),  # noqa: B008 — frozen, so safe as a default
    inferences: int = 1,
    failure_probability: float = FAILURE_PROBABILITY,
    false_alarm_probability: float = FALSE_ALARM_PROBABILITY,
    lit_share: float = 1.0,
) -> Verification:
    """Judge the channel by the symbols verified so far.

    statistics: Sums over all verified symbols, four numbers (`SymbolStatistics.pooled`), in SNU.
    declared: T in (0, 1] and ε ≥ 0 that the settings imply; ε is g/N plus the technical noise.
    modulation_variance: V_A ≥ 0 per quadrature of the weights whose leakage is asked for, in SNU.
    receiver: The server's own detector, which is calibrated and trusted.
    inferences: K ≥ 0, how often those weights are sent in total; the leakages are for all K.
    failure_probability: δ in (0, 1) of the certified figures, half for each parameter.
    false_alarm_probability: Probability in (0, 1), half for each test, that an honest channel is
        rejected. A channel is rejected if its transmittance is too low or its excess noise too
        high to be due to chance at this level. A channel better than declared is accepted.
    lit_share: Share of the modes that carry light (`WeightBound.over_lit`).

    Both probabilities hold for independent Gaussian noise and for a single look at the data. For
    several looks, they have to be split over the looks. Raises `RangeError` for a value out of
    range, fewer than 2 symbols or Σq² = 0.
    """
    if any(np.shape(part) for part in vars(statistics).values()):
        raise RangeError("statistics hold an array; allowed: four numbers, as pooled() gives")
    require("declared transmittance", declared.transmittance, above=0, at_most=1)
    require("declared excess_noise", declared.excess_noise, at_least=0)
    require("false_alarm_probability", false_alarm_probability, above=0, below=1)

    estimated = estimated_channel(statistics, receiver)
    of_transmittance, of_excess = standard_errors(statistics, receiver)
    errors = float(of_transmittance), float(of_excess)
    certified = certified_channel(statistics, receiver, failure_probability)

    level = false_alarm_probability / 2
    too_lossy = bool(transmittance_below(statistics, receiver, declared.transmittance, level))
    too_noisy = bool(excess_noise_above(statistics, receiver, declared.excess_noise, level))

    def leakage(channel: ChannelEstimate, bound: str = WEIGHT_BOUND) -> float:
        counted = WEIGHT_BOUNDS[bound]
        return float(counted.over_lit(lit_share, inferences, modulation_variance, *channel))

    return Verification(
        accepted=not (too_lossy or too_noisy),
        reason=_reason(too_lossy, too_noisy, declared, estimated, errors, false_alarm_probability),
        symbols=int(statistics.count),
        transmittance=float(estimated.transmittance),
        transmittance_error=errors[0],
        excess_noise=float(estimated.excess_noise),
        excess_noise_error=errors[1],
        transmittance_min=float(certified.transmittance),
        excess_noise_max=float(certified.excess_noise),
        failure_probability=float(failure_probability),
        false_alarm_probability=float(false_alarm_probability),
        weight_leakage=WeightLeakage(
            declared=leakage(declared),
            estimated=leakage(estimated.nearest_physical()),
            certified=leakage(certified.nearest_physical(), CERTIFIED_BOUND),
        ),
    )


def _reason(
    too_lossy: bool,
    too_noisy: bool,
    declared: ChannelEstimate,
    estimated: ChannelEstimate,
    errors: tuple[float, float],
    false_alarm_probability: float,
) -> str:
    transmittance = (
        f"transmittance {estimated.transmittance:.6g} ± {errors[0]:.2g} "
        f"against {declared.transmittance:.6g} declared"
    )
    noise = (
        f"excess noise {estimated.excess_noise:.6g} ± {errors[1]:.2g} SNU "
        f"against {declared.excess_noise:.6g} declared"
    )
    level = f"at false-alarm probability {false_alarm_probability:g}"
    if too_lossy and too_noisy:
        return f"rejected: {transmittance} is too low and {noise} is too high {level}"
    if too_lossy:
        return f"rejected: {transmittance} is too low {level}"
    if too_noisy:
        return f"rejected: {noise} is too high {level}"
    return f"accepted: {transmittance} and {noise} agree {level}"
