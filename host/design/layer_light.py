"""Light for each layer: gains and photon numbers that layers need not share.

Accuracy depends on F² of each layer, leakage of a layer on its own light alone. So for given ratios
of F² between layers, only F² of the first is left to choose, and the gain of each layer is the one
at which its weights leak least. The ratios are searched layer by layer on a grid. A plan
(`best_light`) compares them on curves that are measured at those ratios, and `brightest` by any
score at the light itself.

No layer gets more gain than the data budget allows to a network with one gain. What leaks of the
data rises with every gain, so the budget is kept however a bound adds layers up. A loss imbalance
returns some of the light as well: no layer then tells more of the data than it would at that gain
without one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from shotveil.host.design.bisection import greatest
from shotveil.host.design.operating_point import (
    INSIDE,
    MOST_PHOTONS,
    Budgets,
    Real,
    best_gain,
    budgeted_bits,
    greatest_gain,
    image_bits,
    layer_bits,
    most_light,
    photons_within,
)
from shotveil.host.design.plan import Infeasible, OperatingPoint, aim_of, beyond_reach
from shotveil.host.run.curves import AccuracyCurve
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Layer, Network

RATIOS = (0.25, 1.0, 4.0, 16.0, 64.0, 256.0)  # F² of a layer over that of the first
_MOST_F2 = 1e6
_ROUNDS = 40  # gains and F² settle in a few

Found = TypeVar("Found")
Measure = Callable[[tuple[float, ...]], AccuracyCurve]
"""Measures the accuracy curve at the given ratios, one for each layer."""


def best_light(
    network: Network,
    measure: Measure,
    channel: Channel,
    budgets: Budgets,
    min_accuracy: float | None = None,
    aim: float | None = None,
) -> OperatingPoint | Infeasible:
    """Return the point with light for each layer that `host.design.plan.find` returns with one.

    Without `min_accuracy`, it is the point of highest accuracy inside the budgets, otherwise the
    one of least weight leakage. Raises `RangeError` where neither a weight budget nor an accuracy
    is given, and where the data budget cannot be met.
    """
    if min_accuracy is None and budgets.weight_limit(network) is None:
        raise RangeError("neither a weight budget nor a least accuracy is given; one is needed")
    if min_accuracy is not None:
        require("min accuracy", min_accuracy, above=0, below=1)

    def at(ratios: tuple[float, ...]) -> OperatingPoint | Infeasible:
        return _at_ratios(network, measure(ratios), channel, budgets, min_accuracy, aim)

    if budgets.each_layer and min_accuracy is None:
        # Every layer uses up its own budget. Less light in some layer is never better, even where
        # the noise of two measured curves says so.
        return at(full_ratios(network, channel, budgets))
    return _climbed(
        at,
        lambda point, than: _better(point, than, network, channel, budgets, min_accuracy),
        len(network.layers),
    )


def brightest(
    network: Network,
    channel: Channel,
    budgets: Budgets,
    score: Callable[[tuple[float, ...]], float],
    behind: Sequence[float] = (),
) -> tuple[Link, ...]:
    """Return the light of each layer inside the budgets at which a network scores best.

    score: Function of the layers' F², which is higher where they are better.
    behind: F² of all layers but the first, as it was found for them alone. Their ratios are then
        kept, and only that of the first layer to them is searched.

    Where the converters' range or the photons set a limit that some ratios exceed, these are left
    out. Raises `RangeError` without a weight budget, and where the data budget cannot be met.
    """
    even = (1.0,) * len(network.layers)

    def at(ratios: tuple[float, ...]) -> tuple[float, tuple[Link, ...]]:
        try:
            links = most_light_at(network, channel, ratios, budgets)
        except RangeError:
            if ratios != even:
                return -math.inf, ()
            links = (most_light(network, channel, budgets),) * len(even)
        return score(tuple(link.f2 for link in links)), links

    if budgets.each_layer:
        links = at(full_ratios(network, channel, budgets))[1]
    elif behind:
        known = [f2 / behind[0] for f2 in behind]
        steps = sorted(RATIOS, key=lambda step: step != 1)  # even light where nothing is better
        tried = (at((1.0, *(step * ratio for ratio in known))) for step in steps)
        links = max(tried, key=lambda one: one[0])[1]
    else:
        links = _climbed(at, lambda one, than: one[0] > than[0], len(even))[1]
    return links or at(even)[1]


def _climbed(
    at: Callable[[tuple[float, ...]], Found], better: Callable[[Found, Found], bool], layers: int
) -> Found:
    """Return what `at` gives for the best ratios that a search from even light finds."""
    ratios = (1.0,) * layers
    found = at(ratios)
    for layer in reversed(range(1, layers)):
        for ratio in RATIOS:
            if ratio == ratios[layer]:
                continue
            other = (*ratios[:layer], ratio, *ratios[layer + 1 :])
            if better(point := at(other), found):
                found, ratios = point, other
    return found


def links_at(
    network: Network, channel: Channel, f2: Sequence[float], budgets: Budgets
) -> tuple[Link, ...]:
    """Return the link of each layer with its F² and the least weight leakage.

    f2: F² > 0 of each layer. Raises `RangeError` where it is not positive, or the data budget
    cannot be met.
    """
    require("F²", list(f2), above=0)
    most = greatest_gain(network, budgets)
    links = []
    for layer, own in zip(network.layers, f2, strict=True):
        bits = _bits_at(layer, channel, own, budgets, most)
        gain = best_gain(bits, most)
        if np.isinf(bits(np.asarray(gain))):
            raise RangeError(
                f"F² = {own:.4g} is possible at no gain up to {most:.6g}: it takes light of which "
                "a loss imbalance returns more than the data budget"
            )
        links.append(Link.through(channel, gain, f2=own))
    return tuple(links)


def most_light_at(
    network: Network, channel: Channel, ratios: Sequence[float], budgets: Budgets
) -> tuple[Link, ...]:
    """Return the links with the highest F² of the first layer inside the budgets.

    ratios: F² of each layer over that of the first. Raises `RangeError` without a weight budget,
    and where the data budget cannot be met.
    """
    limit = budgets.weight_limit(network)
    if limit is None:
        raise RangeError("weight budget is missing; without one F² has no limit")
    allowed = limit * (1 - INSIDE)
    if budgets.limits_data and channel.loss_imbalance:
        return _most_light_by_bisection(network, channel, ratios, budgets, allowed)
    links, f2 = links_at(network, channel, ratios, budgets), 1.0
    for _ in range(_ROUNDS):
        gains = [link.gain for link in links]

        def leaks(first: Real, gains: list[float] = gains) -> Real:
            f2 = [first * ratio for ratio in ratios]
            photons = [channel.photons_at(np.asarray(g), x) for g, x in zip(gains, f2, strict=True)]
            return budgeted_bits(network, channel, budgets, gains, photons)

        # With better gains the same F² leaks less, so it never falls from one round to the next.
        last, f2 = f2, float(greatest(leaks, np.asarray(allowed), 1 / MOST_PHOTONS, _MOST_F2))
        lit = tuple(
            Link.through(channel, gain, f2=f2 * ratio)
            for gain, ratio in zip(gains, ratios, strict=True)
        )
        if math.isclose(f2, last, rel_tol=1e-9):
            break
        links = links_at(network, channel, [f2 * ratio for ratio in ratios], budgets)
    return lit


def _most_light_by_bisection(
    network: Network,
    channel: Channel,
    ratios: Sequence[float],
    budgets: Budgets,
    allowed: float,
) -> tuple[Link, ...]:
    """Return `most_light_at` where more light leaves less room for gain, so neither comes first."""
    low, high = math.log(1 / MOST_PHOTONS), math.log(_MOST_F2)
    found = links_at(network, channel, [math.exp(low) * ratio for ratio in ratios], budgets)
    while high - low > 1e-6:
        middle = (low + high) / 2
        try:
            links = links_at(network, channel, [math.exp(middle) * r for r in ratios], budgets)
        except RangeError:  # no gain allows as much light
            high = middle
            continue
        if _bits_of(network, channel, budgets, links) <= allowed:
            low, found = middle, links
        else:
            high = middle
    return found


def full_ratios(network: Network, channel: Channel, budgets: Budgets) -> tuple[float, ...]:
    """Return the ratios of F² at which every layer alone uses up the weight budget.

    Raises `RangeError` where the data budget cannot be met.
    """
    most = greatest_gain(network, budgets)
    f2 = []
    for layer in network.layers:
        alone = Network("layer", (layer,))

        def missed(gain: Real, alone: Network = alone) -> Real:
            return -channel.f2_at(gain, photons_within(alone, channel, gain, budgets))

        gain = best_gain(missed, most)
        f2.append(-float(missed(np.asarray(gain))))
    return tuple(each / f2[0] for each in f2)


def _at_ratios(
    network: Network,
    curve: AccuracyCurve,
    channel: Channel,
    budgets: Budgets,
    min_accuracy: float | None,
    aim: float | None,
) -> OperatingPoint | Infeasible:
    ratios = curve.ratios or (1.0,) * len(network.layers)
    if min_accuracy is None:
        links = most_light_at(network, channel, ratios, budgets)
        return OperatingPoint(links, float(curve.at(links[0].f2)), ratios)
    most = float(curve.monotone[-1])
    if min_accuracy > most:
        return beyond_reach(network, min_accuracy, most)
    f2 = curve.f2_for(min(most, aim_of(min_accuracy, curve.images) if aim is None else aim))
    links = links_at(network, channel, [f2 * ratio for ratio in ratios], budgets)
    bits = _bits_of(network, channel, budgets, links)
    limit = budgets.weight_limit(network)
    if limit is None or bits <= limit:
        return OperatingPoint(links, float(curve.at(f2)), ratios)
    whose = "weight in some layer" if budgets.each_layer else "weight"
    return Infeasible(
        "weights",
        bits,
        limit,
        f"no light inside the budgets has accuracy {min_accuracy:.2%}: the weight budget binds, as "
        f"at least {bits:.4g} bits per {whose} leak, {bits - limit:.4g} bits or "
        f"{bits / limit - 1:.1%} more than the {limit:g} allowed",
    )


def _better(
    point: OperatingPoint | Infeasible,
    than: OperatingPoint | Infeasible,
    network: Network,
    channel: Channel,
    budgets: Budgets,
    min_accuracy: float | None,
) -> bool:
    if isinstance(point, Infeasible) or isinstance(than, Infeasible):
        if isinstance(point, Infeasible) and isinstance(than, Infeasible):
            return (than.binding, point.binding) == ("accuracy", "weights") or (
                point.binding == than.binding == "weights" and point.required < than.required
            )
        return isinstance(than, Infeasible)
    if min_accuracy is None:
        return point.accuracy > than.accuracy
    ours, theirs = (_bits_of(network, channel, budgets, p.links(network)) for p in (point, than))
    return ours < theirs


def _bits_of(network: Network, channel: Channel, budgets: Budgets, links: Sequence[Link]) -> float:
    gains, photons = [link.gain for link in links], [link.photons for link in links]
    return float(budgeted_bits(network, channel, budgets, gains, photons))


def _bits_at(
    layer: Layer, channel: Channel, f2: float, budgets: Budgets, most: float
) -> Callable[[Real], Real]:
    """Return a function from gains to what a layer's weights leak at F²; infinite where the data
    leak too much."""

    def bits(gain: Real) -> Real:
        photons = channel.photons_at(gain, np.asarray(f2))
        leaks = layer_bits(layer, channel, gain, photons, budgets.inferences, budgets.weight_bound)
        told, limit = _told(layer, channel, gain, photons, budgets, most)
        return np.where(told <= limit, leaks, np.inf)

    return bits


def _told(
    layer: Layer, channel: Channel, gain: Real, photons: Real, budgets: Budgets, most: float
) -> tuple[Real, float]:
    """Return the bits of the data that a layer tells at gain and light, and how many it may.

    It may tell as much as at the gain `most` without a loss imbalance. Without a budget of the
    data, or without an imbalance, there is no limit beside that gain.
    """
    if not (budgets.limits_data and channel.loss_imbalance):
        return np.zeros(np.broadcast_shapes(np.shape(gain), np.shape(photons))), np.inf
    alone, bound = Network("layer", (layer,)), budgets.data_bound
    told = image_bits(alone, gain, bound, 0.0, channel, photons)
    return told, float(image_bits(alone, most, bound))
