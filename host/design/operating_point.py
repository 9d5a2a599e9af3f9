"""The operating point of a network: gain and photon number for given leakage budgets.

Data leakage grows with the gain alone, so its budget limits the gain from above. At a given gain,
both weight leakage and F² grow with the photon number. So only the gain is left to choose: more
gain makes the client's readings less noisy and the returned light noisier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
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
from shotveil.host.leakage.data import bits_of_vector
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Layer, Network

Real = NDArray[np.float64]

# The range of G − 1 that is searched. No amplifier can be set to smaller values, and at larger ones
# the noise of the readings no longer falls, whatever the client's detector.
LEAST_EXCESS_GAIN, MOST_EXCESS_GAIN = 1e-7, 1e3
MOST_PHOTONS = 1e12
_GRID, _ZOOMS = 257, 6  # every zoom narrows the range by 128, so six of them reach rounding
# Relative distance to a budget, so that rounding elsewhere does not put the result above it.
INSIDE = 1e-9


@dataclass(frozen=True)
class Budgets:
    """The largest leakages that are allowed; None sets no limit.

    weight_bits: Bits per real weight under `weight_bound`, as the mean over the network and for all
        K `inferences` together, > 0.
    data_bits: Bits per data element of the input layer in one inference under `data_bound`, > 0.
    data_bound, weight_bound: Names of bounds in `host.leakage.catalogue`.
    inferences: Number of inferences K ≥ 1.
    each_layer: Whether `weight_bits` limits every layer by itself, instead of the network's mean.
    total_bits: Bits of all weights together, under `weight_bound` and for all K inferences, > 0.
    image_bits: Bits of an image in one inference, summed over all layers, under `data_bound`, > 0.
    decoy_rate: Number of decoy rows for each row of weights in [0, 1]; they meet the image as well,
        and `image_bits` counts them.

    Raises `RangeError` for a value out of range or an unknown bound.
    """

    weight_bits: float | None = None
    data_bits: float | None = None
    data_bound: str = DATA_BOUND
    inferences: int = 1
    weight_bound: str = WEIGHT_BOUND
    each_layer: bool = False
    total_bits: float | None = None
    image_bits: float | None = None
    decoy_rate: float = 0.0

    def __post_init__(self) -> None:
        for name, bits in (
            ("weight budget", self.weight_bits),
            ("data budget", self.data_bits),
            ("total budget", self.total_bits),
            ("image budget", self.image_bits),
        ):
            if bits is not None:
                require(name, bits, above=0)
        data_bound(self.data_bound)
        weight_bound(self.weight_bound)
        require("inferences", self.inferences, at_least=1, integer=True)
        require("decoy rate", self.decoy_rate, at_least=0, at_most=1)

    @property
    def limits_data(self) -> bool:
        """Whether there is a budget of the data, per element or per image."""
        return self.data_bits is not None or self.image_bits is not None

    def weight_limit(self, network: Network) -> float | None:
        """Return the bits per weight that both budgets of the weights allow; None without any."""
        each = [] if self.weight_bits is None else [self.weight_bits]
        if self.total_bits is not None:
            each.append(self.total_bits / counted_weights(network))
        return min(each, default=None)


def counted_weights(network: Network) -> float:
    """Return the number that turns mean bits per weight into no less than the bits of all weights.

    It is the number of weights, where every layer has even rows. The last mode of an odd row counts
    as full, as in `network_leakage`.
    """
    return network.weights * max(2 * layer.modes / layer.columns for layer in network.layers)


def weight_bits(
    network: Network,
    channel: Channel,
    gain: ArrayLike,
    photons: ArrayLike,
    inferences: int = 1,
    bound: str = WEIGHT_BOUND,
) -> Real:
    """Return the declared weight leakage of `network_leakage`, but over arrays of settings.

    gain, photons: Gain > 1 and photons per mode ≥ 0, which are broadcast.

    The result is in bits per real weight under the bound called `bound`, as the mean over the
    network and for all K = `inferences` together.
    """
    return _mean(
        network,
        [layer_bits(layer, channel, gain, photons, inferences, bound) for layer in network.layers],
    )


def layer_bits(
    layer: Layer,
    channel: Channel,
    gain: ArrayLike,
    photons: ArrayLike,
    inferences: int = 1,
    bound: str = WEIGHT_BOUND,
) -> Real:
    """Return `weight_bits` of one layer."""
    gain, photons = _floats(gain), _floats(photons)
    excess = channel.declared_excess_noise_at(gain, photons, layer.modes)
    transmittance = channel.declared_transmittance_at(layer.modes)
    sent = inferences * layer.patches  # times that each row travels
    bits = WEIGHT_BOUNDS[bound](sent, 2 * photons, transmittance, excess)
    return np.asarray(bits, dtype=np.float64)


def budgeted_bits(
    network: Network,
    channel: Channel,
    budgets: Budgets,
    gain: ArrayLike | Sequence[ArrayLike],
    photons: ArrayLike | Sequence[ArrayLike],
) -> Real:
    """Return the weight leakage that a weight budget limits, for its inferences and its bound.

    It is the mean over the network, or the largest of any layer with `Budgets.each_layer`. Gain and
    photons are arrays for all layers, or lists with one for each layer.
    """
    bits = [
        layer_bits(layer, channel, g, mu, budgets.inferences, budgets.weight_bound)
        for layer, g, mu in _layers_lit(network, gain, photons)
    ]
    return np.maximum.reduce(bits) if budgets.each_layer else _mean(network, bits)


def _layers_lit(
    network: Network,
    gain: ArrayLike | Sequence[ArrayLike],
    photons: ArrayLike | Sequence[ArrayLike],
) -> Iterator[tuple[Layer, ArrayLike, ArrayLike]]:
    """Return each layer with its own gain and photons, given as in `budgeted_bits`."""
    gains = gain if isinstance(gain, list) else [gain] * len(network.layers)
    light = photons if isinstance(photons, list) else [photons] * len(network.layers)
    return zip(network.layers, gains, light, strict=True)


def data_bits(
    network: Network,
    gain: ArrayLike,
    bound: str,
    channel: Channel | None = None,
    photons: ArrayLike = 0.0,
) -> Real:
    """Return the declared data leakage of the input layer, in bits per data element.

    gain: Array of gains > 1. bound: Name of the data bound. channel, photons: The channel, whose
        loss imbalance returns some of the photons; None means a channel without one.
    """
    channel, layer = channel or Channel(), network.layers[0]
    g = channel.returned_noise_quantum_at(_floats(gain))
    coherent = channel.coherent_photons_at(_floats(photons), layer.modes)
    return DATA_BOUNDS[bound](g, layer.rows, layer.modes, coherent)


def image_bits(
    network: Network,
    gain: ArrayLike | Sequence[ArrayLike],
    bound: str,
    decoy_rate: float = 0.0,
    channel: Channel | None = None,
    photons: ArrayLike | Sequence[ArrayLike] = 0.0,
) -> Real:
    """Return the declared leakage of an image through all layers, in bits, as `network_leakage`.

    gain, photons: Arrays for all layers, or lists with one for each layer. bound, channel: As in
        `data_bits`. decoy_rate: As in `Budgets`.
    """
    channel = channel or Channel()
    total: Real = np.zeros(())
    for layer, own, mu in _layers_lit(network, gain, photons):
        rows = layer.rows + math.ceil(decoy_rate * layer.rows)
        g = channel.returned_noise_quantum_at(_floats(own))
        coherent = channel.coherent_photons_at(_floats(mu), layer.modes)
        bits = bits_of_vector(DATA_BOUNDS[bound], g, rows, layer.modes, coherent)
        total = total + layer.patches * bits
    return total


def photons_within(network: Network, channel: Channel, gain: ArrayLike, budgets: Budgets) -> Real:
    """Return the most photons μ per mode inside the budgets at each gain, at most 10¹².

    The converters' ranges limit them as well, and so does the data budget where a loss imbalance
    returns a part of them. The result is 10⁻¹² where a limit leaves no light at all.
    """
    gain = _floats(gain)
    most = np.clip(channel.most_photons_at(gain), 1 / MOST_PHOTONS, MOST_PHOTONS)
    limits: list[tuple[float | None, Callable[[Real], Real]]] = [
        (
            budgets.weight_limit(network),
            lambda mu: budgeted_bits(network, channel, budgets, gain, mu),
        )
    ]
    if channel.loss_imbalance:
        bound, rate = budgets.data_bound, budgets.decoy_rate
        limits += [
            (budgets.data_bits, lambda mu: data_bits(network, gain, bound, channel, mu)),
            (budgets.image_bits, lambda mu: image_bits(network, gain, bound, rate, channel, mu)),
        ]
    for limit, bits in limits:
        if limit is not None:
            allowed = np.full(gain.shape, limit * (1 - INSIDE))
            most = np.minimum(most, greatest(bits, allowed, 1 / MOST_PHOTONS, MOST_PHOTONS))
    return most


def greatest_gain(network: Network, budgets: Budgets) -> float:
    """Return the largest gain inside the budgets of the data, at most 1 + 10³.

    Raises `RangeError` where even the smallest gain leaks more.
    """
    bound, rate = budgets.data_bound, budgets.decoy_rate
    return min(
        _gain_within(
            "data budget", budgets.data_bits, bound, lambda gain: data_bits(network, gain, bound)
        ),
        _gain_within(
            "image budget",
            budgets.image_bits,
            bound,
            lambda gain: image_bits(network, gain, bound, rate),
        ),
    )


def _gain_within(
    name: str, budget: float | None, bound: str, leakage: Callable[[float], Real]
) -> float:
    """Return the largest gain at which `leakage` under `bound` is inside one budget."""
    most = 1 + MOST_EXCESS_GAIN
    if budget is None:
        return most
    allowed = budget * (1 - INSIDE)

    def excess(log_gain: float) -> float:
        return float(leakage(1 + math.exp(log_gain))) - allowed

    if excess(math.log(MOST_EXCESS_GAIN)) <= 0:
        return most
    least = excess(math.log(LEAST_EXCESS_GAIN))
    if least > 0:
        raise RangeError(
            f"{name} = {budget:g} bits is below {least + allowed:.3g}, what leaks "
            f"under {bound} at the least gain, 1 + {LEAST_EXCESS_GAIN:g}"
        )
    root = brentq(excess, math.log(LEAST_EXCESS_GAIN), math.log(MOST_EXCESS_GAIN), xtol=1e-12)
    return 1 + math.exp(root - 1e-10)


Allowed = Callable[[Real, Real], NDArray[np.bool_]]
"""A further limit: a function from gains and photon numbers to whether they are allowed."""


def most_light(
    network: Network, channel: Channel, budgets: Budgets, allowed: Allowed | None = None
) -> Link:
    """Return the link through `channel` with the highest F² inside the budgets.

    allowed: A further limit. The caller has to check whether it is met at the result.

    Raises `RangeError` without a weight budget, as F² then has no limit, or where the data budget
    cannot be met.
    """
    if budgets.weight_limit(network) is None:
        raise RangeError("weight budget is missing; without one F² has no limit")

    def objective(gain: Real) -> Real:
        photons = photons_within(network, channel, gain, budgets)
        f2 = channel.f2_at(gain, photons)
        return -f2 if allowed is None else np.where(allowed(gain, photons), -f2, np.inf)

    gain = best_gain(objective, greatest_gain(network, budgets))
    photons = float(photons_within(network, channel, gain, budgets))
    return Link.through(channel, gain, photons=photons)


def least_leakage(
    network: Network,
    channel: Channel,
    f2: float,
    budgets: Budgets,
    allowed: Allowed | None = None,
) -> Link:
    """Return the link with F² = `f2` and the least weight leakage inside the data budget.

    With a weight budget but no data budget, it is the link with the least data leakage inside the
    weight budget, or the one with the least weight leakage if that budget cannot be met. The caller
    has to check whether the weight budget and the further limit `allowed` are met. Raises
    `RangeError` where F² is not positive or the data budget cannot be met, and where no gain allows
    the light that F² takes.
    """
    require("F²", f2, above=0)

    def weights(gain: Real) -> Real:
        photons = channel.photons_at(gain, _floats(f2))
        bits = budgeted_bits(network, channel, budgets, gain, photons)
        possible = photons <= channel.most_photons_at(gain)
        if budgets.data_bits is not None and channel.loss_imbalance:
            data = data_bits(network, gain, budgets.data_bound, channel, photons)
            possible &= data <= budgets.data_bits
        if budgets.image_bits is not None and channel.loss_imbalance:
            bound, rate = budgets.data_bound, budgets.decoy_rate
            image = image_bits(network, gain, bound, rate, channel, photons)
            possible &= image <= budgets.image_bits
        return np.where(possible, bits, np.inf)

    def ranked(gain: Real) -> Real:
        bits = weights(gain)
        if allowed is None:
            return bits
        return np.where(allowed(gain, channel.photons_at(gain, _floats(f2))), bits, np.inf)

    most = greatest_gain(network, budgets)
    gain = best_gain(ranked, most)
    if np.isinf(ranked(_floats(gain))):
        gain = best_gain(weights, most)
    if np.isinf(weights(_floats(gain))):
        raise RangeError(
            f"F² = {f2:.4g} is possible at no gain up to {most:.6g}: it takes light that is beyond "
            "a converter's range, or of which a loss imbalance returns more than the data budget"
        )
    limit = budgets.weight_limit(network)
    if limit is not None and not budgets.limits_data:
        most_bits = limit * (1 - INSIDE)
        if ranked(_floats(gain)) <= most_bits:
            # Search below the gain of least weight leakage, since less gain leaks less data.
            gain = best_gain(lambda gain: np.where(ranked(gain) <= most_bits, gain, np.inf), gain)
    photons = float(channel.photons_at(_floats(gain), _floats(f2)))
    return Link.through(channel, gain, photons=photons)


def within_budgets(
    network: Network, weight_bits: float, data_bits: float, data_bound: str, channel: Channel
) -> Link:
    """Return the link with the highest F² inside both budgets, for one inference.

    weight_bits, data_bits: Budgets in bits per weight and in bits per pixel, > 0.
    data_bound: Name of the bound for the data budget, as in `network_leakage`.

    Raises `RangeError` for a budget that is not positive, an unknown bound, or where the data
    budget cannot be met.

    >>> from shotveil import load_network
    >>> best = within_budgets(load_network("mnist-paper"), 0.1, 0.01, "crb_prx", Channel())
    >>> f"gain {best.gain:.3f}, {best.photons:.1f} photons per mode, F² {best.f2:.1f}"
    'gain 1.041, 38.2 photons per mode, F² 3.1'
    """
    return most_light(network, channel, Budgets(weight_bits, data_bits, data_bound))


def _mean(network: Network, bits: Sequence[Real]) -> Real:
    """Return the mean over the network's weights of bits per weight of each layer."""
    total = np.zeros(np.broadcast_shapes(*(each.shape for each in bits)))
    for layer, each in zip(network.layers, bits, strict=True):
        total += layer.weights.size * each
    return total / network.weights


def _floats(values: ArrayLike) -> Real:
    return np.asarray(values, dtype=np.float64)


def best_gain(objective: Callable[[Real], Real], most: float) -> float:
    """Return the gain in (1, most] of least objective, by successively finer grids of ln(G − 1)."""
    low, high = math.log(LEAST_EXCESS_GAIN), math.log(most - 1)
    for _ in range(_ZOOMS):
        grid = np.linspace(low, high, _GRID)
        # exp(log(x)) is not exactly x, and the largest gain must not exceed what is allowed.
        gains = np.minimum(1 + np.exp(grid), most)
        k = int(np.argmin(objective(gains)))
        low, high = grid[max(0, k - 1)], grid[min(_GRID - 1, k + 1)]
    return float(gains[k])
