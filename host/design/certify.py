"""How far a certificate is from the declared leakage after a given time on the line.

A certificate is earned on decoy rows (`host.leakage.certificate`). With m verified symbols of an
honest link, the estimates are expected at the true slope t and variance σ², and the limits of
confidence at failure probability δ are

    t_min = t − z·σ/√(m·V_A),   σ²_max = m·σ²/χ²⁻¹(δ/2; m − 1),

with z the quantile of Student's t distribution. The leakage there, allowing for the drift of the
receiver's unit, is what a session of that length will certify.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.host.design.operating_point import mean_over_weights, weight_bits
from shotveil.host.leakage.catalogue import WEIGHT_BOUND, WEIGHT_BOUNDS
from shotveil.host.leakage.certificate import ChannelEstimate, certified_channel
from shotveil.models.common.checks import require
from shotveil.models.link.channel import Channel
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.networks.network import Network

Real = NDArray[np.float64]

DECOY_SHARE = 1 / 17
SYMBOL_RATE = 31.25e6  # modes a second, as the nodes send them
FAILURE_PROBABILITY = 1e-10
MOST_RATIO = 2.0  # certified over declared that a plan may ask for


@dataclass(frozen=True)
class LineTime:
    """The time in which a certificate is to be earned.

    hours: Line time, > 0.
    decoy_share: Share of all rows that are decoys, in (0, 1].
    symbol_rate: Symbols (modes) a second, > 0; one quadrature of each is measured.
    failure_probability: Probability δ in (0, 1) that the certificate is wrong.

    Raises `RangeError` for a value out of range.
    """

    hours: float
    decoy_share: float = DECOY_SHARE
    symbol_rate: float = SYMBOL_RATE
    failure_probability: float = FAILURE_PROBABILITY

    def __post_init__(self) -> None:
        require("certify hours", self.hours, above=0)
        require("decoy share", self.decoy_share, above=0, at_most=1)
        require("symbol rate", self.symbol_rate, above=0)
        require("failure probability", self.failure_probability, above=0, below=1)
        sent = 3600 * self.hours * self.symbol_rate  # too many may be infinite
        require("symbols of the line time", sent, at_most=1e18)
        require("verified symbols", self.symbols, at_least=2)

    @property
    def symbols(self) -> int:
        """Number m of verified symbols on decoys."""
        return int(3600 * self.hours * self.symbol_rate * self.decoy_share)


def expected_certificate(
    channel: Channel, gain: ArrayLike, photons: ArrayLike, modes: int, time: LineTime
) -> ChannelEstimate:
    """Return the channel (T_min, ε_max) that an honest link of N `modes` is expected to certify.

    gain, photons: Gain > 1 and photons per mode > 0, which are broadcast.

    The link shows its honest noise at the calibrated unit; what its drift may hide is added.
    """
    receiver = channel.server_detector
    gain, photons = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (gain, photons)))
    excess = channel.honest_excess_noise_at(gain, photons, modes)
    kappa = receiver.shot_noise_drift
    honest = channel.declared_transmittance_at(modes) * ((1 + kappa) / (1 - kappa))
    m = time.symbols
    slope = receiver.slope(honest)
    qq = m * 2 * photons
    residual = (m - 1) * receiver.noise_variance(excess)
    seen = SymbolStatistics(m, qq, slope * qq, slope**2 * qq + residual)
    found = certified_channel(seen, receiver, time.failure_probability)
    return found.nearest_physical()


def certified_bits(
    network: Network,
    channel: Channel,
    gain: ArrayLike,
    photons: ArrayLike,
    time: LineTime,
    inferences: int = 1,
    bound: str = WEIGHT_BOUND,
) -> Real:
    """Return the expected certified weight leakage in bits per weight, the mean over a network.

    Each layer has decoys of its own, in the proportion of its symbols in one inference, all its
    patches counted, so a layer's certificate is earned in its share of the time. The arguments are
    those of `operating_point.weight_bits`.
    """
    counted = WEIGHT_BOUNDS[bound]
    photons = np.asarray(photons, np.float64)
    sent = [layer.rows * layer.patches * layer.modes for layer in network.layers]
    bits = []
    for layer, symbols in zip(network.layers, sent, strict=True):
        part = replace(time, hours=time.hours * symbols / sum(sent))
        worst = expected_certificate(channel, gain, photons, layer.modes, part)
        times = inferences * layer.patches  # that each row travels
        bits.append(counted.over_lit(layer.lit_share, times, 2 * photons, *worst))
    return mean_over_weights(network, bits)


def certifiable(
    network: Network, channel: Channel, time: LineTime
) -> Callable[[Real, Real], NDArray[np.bool_]]:
    """Return a function from gains and photon numbers to whether `time` certifies enough there.

    Enough is at most `MOST_RATIO` times the declared leakage, for one inference.
    """

    def allowed(gain: Real, photons: Real) -> NDArray[np.bool_]:
        declared = weight_bits(network, channel, gain, photons)
        certified = certified_bits(network, channel, gain, photons, time)
        return np.asarray(certified <= MOST_RATIO * declared)

    return allowed
