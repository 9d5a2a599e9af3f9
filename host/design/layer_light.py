"""Light for each layer: gains and photon numbers that layers need not share.

Accuracy depends on F² of each layer, leakage of a layer on its own light alone. So for given ratios
of F² between layers, only F² of the first is left to choose, and the gain of each layer is the one
at which its weights leak least. The ratios are searched layer by layer on a grid, each on a curve
that is measured at those ratios.

No layer gets more gain than the data budget allows to a network with one gain. What leaks of the
data rises with every gain, so the budget is kept however a bound adds layers up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

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
    layer_bits,
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

    ratios = (1.0,) * len(network.layers)
    found = at(ratios)
    if budgets.each_layer and min_accuracy is None:  # then every layer uses up its own budget
        point = at(full_ratios(network, channel, budgets))
        better = _better(point, found, network, channel, budgets, min_accuracy)
        return point if better else found
    for layer in reversed(range(1, len(network.layers))):
        for ratio in RATIOS:
            if ratio == ratios[layer]:
                continue
            other = (*ratios[:layer], ratio, *ratios[layer + 1 :])
            point = at(other)
            if _better(point, found, network, channel, budgets, min_accuracy):
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
        gain = best_gain(_bits_at(layer, channel, own, budgets), most)
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


def _bits_at(layer: Layer, channel: Channel, f2: float, budgets: Budgets) -> Callable[[Real], Real]:
    def bits(gain: Real) -> Real:
        photons = channel.photons_at(gain, np.asarray(f2))
        return layer_bits(layer, channel, gain, photons, budgets.inferences, budgets.weight_bound)

    return bits
