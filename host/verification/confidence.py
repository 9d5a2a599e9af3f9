"""Limits of the channel that hold at every moment of a client's life, not at one look at the data.

A certificate that is computed once and then kept says nothing of the light that comes after it: a
client may behave until it is trusted. So the limits here are confidence sequences. They bound the
means over all light so far, at all times together but for the failure probability, and they are
computed again after every part.

They rest on two families of supermartingales. Let z be the noise of a row, with covariance at most
w₀ in every direction and x more in one direction, which the client chooses. For λ > 0

    exp(−λ·Σq·z − λ²(w₀ + x)·Σq²/2)

bounds how far the slope may lie above or below its estimate t̂, and for θ > 0, with N modes a row,

    exp(−θ·Σz² + rows·[(N − 1)·ln(1 + 2θw₀) + ln(1 + 2θ(w₀ + x))]/2)

bounds x, the noise of a row above that of vacuum. The logarithm is concave, so all noise in one
direction is the worst case, and every other shape is covered. By Ville's inequality each of them
ever exceeds 1/δ with probability δ at most. λ and θ have to be chosen before the data: the j-th
choice is best at 4ʲ times the first amount of light, and has a share 6/(πj)² of δ (union bound).

The residual about t̂ is less than that about the true slope t by (t̂ − t)²·Σq², which the limits of
the slope bound in turn; so both are found together. The noise of different rows is independent and
Gaussian given what the client did before. Rows whose noise differs count at their mean.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.certificate import ChannelEstimate
from shotveil.models.common.checks import require
from shotveil.models.link.detector import Detector
from shotveil.models.link.statistics import SymbolStatistics

Real = NDArray[np.float64]

_FIRST = 1000  # symbols at which the first choice of λ and θ is best
_CHOICES = 22  # the last one is best at 4·10¹⁵ symbols
_ROUNDS = 8  # of slope and noise in turn; each changes less by far more than a factor of ten


def channel_at_any_time(
    statistics: SymbolStatistics,
    receiver: Detector,
    modes: int,
    modulation_variance: float,
    failure_probability: float,
) -> ChannelEstimate:
    """Return (T_min, ε_max) of the mean channel of the light so far, arrays of the sums' shape.

    statistics: Sums over whole rows of `modes` modes, as numbers or as arrays, one element for each
        client. Where nothing was sent, T_min is 0 and ε_max is infinite.
    modulation_variance: V_A > 0 (SNU) at which rows are sent. It only decides at which amounts of
        light the limits are best.
    failure_probability: δ in (0, 1) that either limit is ever wrong, half for each.

    The drift of the shot-noise unit that `receiver` states is allowed for, as in
    `host.leakage.certificate`. Raises `RangeError` for a value out of range.
    """
    require("modes", modes, at_least=1, integer=True)
    require("modulation variance", modulation_variance, above=0)
    require("failure probability", failure_probability, above=0, below=1)
    count, qq, qy, yy = np.broadcast_arrays(
        *(np.asarray(v, dtype=np.float64) for v in vars(statistics).values())
    )
    lit = (count > 0) & (qq > 0)
    energy, rows = np.where(lit, qq, 1.0), np.where(lit, count / modes, 1.0)
    slope = np.where(lit, qy / energy, 0.0)
    fitted = np.where(lit, np.maximum(yy - slope * qy, 0.0), 0.0)

    drift = receiver.shot_noise_drift
    quiet = float(receiver.noise_variance(0.0)) * (1 - drift)  # w₀, as the record shows it at least
    choice = np.arange(1, _CHOICES + 1).reshape(-1, *[1] * count.ndim)
    cost = np.log(np.pi**2 * choice**2 / 6)
    best_at = _FIRST * 4.0 ** (choice - 1)
    # The limits of the slope have a quarter of δ each, that of the noise has half.
    of_slope, of_noise = (cost - math.log(failure_probability * part) for part in (0.25, 0.5))
    tilt = np.sqrt(2 * of_slope / (quiet * best_at * modulation_variance))
    theta = np.sqrt(of_noise / best_at) / quiet

    excess = np.zeros(count.shape)  # x
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(_ROUNDS):
            variance = quiet + excess
            room = np.min(of_slope / tilt + tilt * variance * energy / 2, axis=0) / energy
            residual = fitted + room**2 * energy
            exponent = 2 * (theta * residual + of_noise) / rows
            exponent -= (modes - 1) * np.log1p(2 * theta * quiet)
            within = np.min(np.expm1(exponent) / (2 * theta), axis=0) - quiet
            excess = np.where(np.isfinite(within), np.maximum(within, 0.0), np.inf)
        room = np.where(np.isfinite(room), room, np.inf)
    least = np.maximum(slope - room, 0.0) / math.sqrt(1 + drift)
    transmittance = np.where(lit, least**2 / receiver.efficiency, 0.0)
    noise = excess / modes / (1 - drift) / receiver.efficiency
    return ChannelEstimate(transmittance, np.where(lit, noise, np.inf))


def worse(one: ChannelEstimate, other: ChannelEstimate) -> ChannelEstimate:
    """Return the channel that is as bad as the worse of two in transmittance and in noise."""
    return ChannelEstimate(
        np.minimum(one.transmittance, other.transmittance),
        np.maximum(one.excess_noise, other.excess_noise),
    )
