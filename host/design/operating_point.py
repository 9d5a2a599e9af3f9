"""Gain and photon number for given leakage budgets: the operating point of a network.

Data leakage grows with gain alone, so its budget bounds the gain from above. At a given gain weight
leakage grows with the photon number, and so does F². What is left to choose is the gain: more of it
makes the client's reading less noisy and the returned light noisier.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from shotveil.host.design.bisection import greatest
from shotveil.host.leakage.catalogue import (
    DATA_BOUND,
    DATA_BOUNDS,
    WEIGHT_BOUND,
    WEIGHT_BOUNDS,
    data_bound,
    weight_bound,
)
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.amplifier import noise_quantum
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network

Real = NDArray[np.float64]

# Values of G − 1 that are searched: below, finer than any amplifier is set; above, the reading's
# noise no longer falls, whatever the client's detector.
LEAST_EXCESS_GAIN, MOST_EXCESS_GAIN = 1e-7, 1e3
_MOST_PHOTONS = 1e12
_GRID, _ZOOMS = 257, 6  # every zoom narrows the gain by 128: to rounding in the end
# Kept below a budget, relatively, so that rounding elsewhere does not put the result above it.
_INSIDE = 1e-9


@dataclass(frozen=True)
class Budgets:
    """What may leak at most. None is no limit. Raises `RangeError` unless the others are positive.

    weight_bits: bits per real weight, mean over the network, all `inferences` K together, under
        `weight_bound`. data_bits: bits per data element of the input layer in one inference, under
        `data_bound`. Both bounds are names in `host.leakage.catalogue`.
    """

    weight_bits: float | None = None
    data_bits: float | None = None
    data_bound: str = DATA_BOUND
    inferences: int = 1
    weight_bound: str = WEIGHT_BOUND

    def __post_init__(self) -> None:
        for name, bits in (("weight budget", self.weight_bits), ("data budget", self.data_bits)):
            if bits is not None:
                require(name, bits, above=0)
        data_bound(self.data_bound)
        weight_bound(self.weight_bound)
        require("inferences", self.inferences, at_least=1, integer=True)


def weight_bits(
    network: Network,
    channel: Channel,
    gain: ArrayLike,
    photons: ArrayLike,
    inferences: int = 1,
    bound: str = WEIGHT_BOUND,
) -> Real:
    """Declared weight leakage of `host.leakage.declared.network_leakage`, over arrays of settings.

    gain > 1 and photons ≥ 0 broadcast. Bits per real weight, mean over the network, K =
    `inferences` together, under the bound named.
    """
    gain, photons = _floats(gain), _floats(photons)
    total = np.zeros(np.broadcast_shapes(gain.shape, photons.shape))
    for layer in network.layers:
        excess = channel.declared_excess_noise_at(gain, photons, layer.modes)
        bits = WEIGHT_BOUNDS[bound](inferences, 2 * photons, channel.declared_transmittance, excess)
        total += layer.weights.size * bits
    return total / network.weights


def budgeted_bits(
    network: Network, channel: Channel, budgets: Budgets, gain: ArrayLike, photons: ArrayLike
) -> Real:
    """`weight_bits` of what a weight budget holds: its inferences together, under its bound."""
    return weight_bits(network, channel, gain, photons, budgets.inferences, budgets.weight_bound)


def data_bits(network: Network, gain: ArrayLike, bound: str) -> Real:
    """Declared data leakage of the input layer under the bound named, over arrays of gain."""
    g = noise_quantum(_floats(gain))
    layer = network.layers[0]
    return DATA_BOUNDS[bound](g, layer.rows, layer.modes)


def photons_within(network: Network, channel: Channel, gain: ArrayLike, budgets: Budgets) -> Real:
    """The most photons μ per mode, up to 10¹², inside the weight budget, at every gain."""
    gain = _floats(gain)
    if budgets.weight_bits is None:
        return np.full(gain.shape, _MOST_PHOTONS)
    return greatest(
        lambda photons: budgeted_bits(network, channel, budgets, gain, photons),
        np.full(gain.shape, budgets.weight_bits * (1 - _INSIDE)),
        1 / _MOST_PHOTONS,
        _MOST_PHOTONS,
    )


def greatest_gain(network: Network, budgets: Budgets) -> float:
    """The most gain that keeps inside the data budget, at most 1 + 10³.

    Raises `RangeError` where even the least gain leaks more.
    """
    most = 1 + MOST_EXCESS_GAIN
    if budgets.data_bits is None:
        return most
    allowed = budgets.data_bits * (1 - _INSIDE)

    def excess(log_gain: float) -> float:
        return float(data_bits(network, 1 + math.exp(log_gain), budgets.data_bound)) - allowed

    if excess(math.log(MOST_EXCESS_GAIN)) <= 0:
        return most
    least = excess(math.log(LEAST_EXCESS_GAIN))
    if least > 0:
        raise RangeError(
            f"data budget = {budgets.data_bits:g} bits is below {least + allowed:.3g}, what leaks "
            f"under {budgets.data_bound} at the least gain, 1 + {LEAST_EXCESS_GAIN:g}"
        )
    root = brentq(excess, math.log(LEAST_EXCESS_GAIN), math.log(MOST_EXCESS_GAIN), xtol=1e-12)
    return 1 + math.exp(root - 1e-10)


def most_light(network: Network, channel: Channel, budgets: Budgets) -> Link:
    """The link through `channel` of highest F² inside the budgets.

    Raises `RangeError` without a weight budget, as F² then has no limit, or where the data budget
    cannot be met.
    """
    if budgets.weight_bits is None:
        raise RangeError("weight budget is missing; without one F² has no limit")

    def objective(gain: Real) -> Real:
        return -channel.f2_at(gain, photons_within(network, channel, gain, budgets))

    gain = _best(objective, greatest_gain(network, budgets))
    photons = float(photons_within(network, channel, gain, budgets))
    return Link.through(channel, gain, photons=photons)


def least_leakage(network: Network, channel: Channel, f2: float, budgets: Budgets) -> Link:
    """The link that brings F² = `f2` to the client with least weight leakage in the data budget.

    With a weight budget and no data budget: the one of least data leakage in the weight budget, or
    where that cannot be met, of least weight leakage. The caller sees from the leakage whether the
    weight budget is met. Raises `RangeError` where the data budget cannot be met.
    """
    require("F²", f2, above=0)

    def weights(gain: Real) -> Real:
        photons = channel.photons_at(gain, _floats(f2))
        return budgeted_bits(network, channel, budgets, gain, photons)

    most = greatest_gain(network, budgets)
    gain = _best(weights, most)
    if budgets.weight_bits is not None and budgets.data_bits is None:
        allowed = budgets.weight_bits * (1 - _INSIDE)
        if weights(_floats(gain)) <= allowed:
            # From the gain of least weight leakage downwards; less gain, less data.
            gain = _best(lambda gain: np.where(weights(gain) <= allowed, gain, np.inf), gain)
    photons = float(channel.photons_at(_floats(gain), _floats(f2)))
    return Link.through(channel, gain, photons=photons)


def within_budgets(
    network: Network, weight_bits: float, data_bits: float, data_bound: str, channel: Channel
) -> Link:
    """The link of highest F² inside both budgets for one inference, in bits per weight and pixel.

    data_bound: name of the bound that the data budget holds under, as `network_leakage` has it.
    Raises `RangeError` for a budget that is not positive, a bound that is none, or where the data
    budget cannot be met.

    >>> from shotveil import load_network
    >>> best = within_budgets(load_network("mnist-paper"), 0.1, 0.01, "crb_prx", Channel())
    >>> f"gain {best.gain:.3f}, {best.photons:.1f} photons per mode, F² {best.f2:.1f}"
    'gain 1.046, 118.7 photons per mode, F² 10.8'
    """
    return most_light(network, channel, Budgets(weight_bits, data_bits, data_bound))


def _floats(values: ArrayLike) -> Real:
    return np.asarray(values, dtype=np.float64)


def _best(objective: Callable[[Real], Real], most: float) -> float:
    """The gain in (1, most] of least objective, on a logarithmic grid of G − 1 that closes in."""
    low, high = math.log(LEAST_EXCESS_GAIN), math.log(most - 1)
    for _ in range(_ZOOMS):
        grid = np.linspace(low, high, _GRID)
        # exp and log do not undo each other to the bit; the end must not pass what is allowed.
        gains = np.minimum(1 + np.exp(grid), most)
        k = int(np.argmin(objective(gains)))
        low, high = grid[max(0, k - 1)], grid[min(_GRID - 1, k + 1)]
    return float(gains[k])
