"""The plan of an operating point, which is found on a measured curve and confirmed by a run.

Accuracy depends on the optics only through F², and leakage has closed forms. So the search
(`host.design.operating_point`) needs no simulation: one measured curve for each network turns F²
into accuracy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from shotveil.host.design.binding import certified_ratio
from shotveil.host.design.certify import MOST_RATIO, LineTime, certifiable
from shotveil.host.design.operating_point import (
    Budgets,
    budgeted_bits,
    counted_weights,
    data_bits,
    image_bits,
    least_leakage,
    most_light,
)
from shotveil.host.run.curves import AccuracyCurve
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.channel import Channel
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network


@dataclass(frozen=True)
class Infeasible:
    """The reason why there is no operating point.

    binding: The requirement that cannot be met: "weights", "data", "accuracy" or "certificate".
    required, allowed: Its required and its allowed value, in bits, as a fraction for accuracy, or
        as certified over declared leakage for a certificate.
    reason: One sentence that explains it.
    """

    binding: str
    required: float
    allowed: float
    reason: str


@dataclass(frozen=True)
class OperatingPoint:
    """The link, for all layers or for each; the accuracy that the curve predicts for them."""

    link: Light
    accuracy: float
    ratios: tuple[float, ...] = ()

    def links(self, network: Network) -> tuple[Link, ...]:
        """Return the link of each layer."""
        return links_of(self.link, len(network.layers))


def find(
    network: Network,
    curve: AccuracyCurve,
    channel: Channel,
    budgets: Budgets,
    min_accuracy: float | None = None,
    aim: float | None = None,
    time: LineTime | None = None,
) -> OperatingPoint | Infeasible:
    """Return the point of highest accuracy inside the budgets, or of least leakage.

    min_accuracy: Accuracy in (0, 1) that must be reached. With it, weight leakage is minimised, or
        data leakage if there is a weight budget but no data budget. None asks for the highest
        accuracy.
    aim: Accuracy that the curve has to reach at the point; by default it is one counting error
        above `min_accuracy`, so that a run to confirm it rarely falls short by chance.
    time: Line time within which a certificate has to come within a factor of `MOST_RATIO` of the
        declared leakage; None asks for no certificate.

    Raises `RangeError` where neither a weight budget nor an accuracy is given.
    """
    allowed = None if time is None else certifiable(network, channel, time)
    if min_accuracy is None:
        if budgets.weight_limit(network) is None:
            raise RangeError("neither a weight budget nor a least accuracy is given; one is needed")
        link = most_light(network, channel, budgets, allowed)
        if time is not None and (short := _uncertified(network, link, time)):
            return short
        return OperatingPoint(link, float(curve.at(link.f2)))
    require("min accuracy", min_accuracy, above=0, below=1)
    most = float(curve.monotone[-1])
    if min_accuracy > most:
        return beyond_reach(network, min_accuracy, most)
    if aim is None:
        aim = aim_of(min_accuracy, curve.images)
    f2 = curve.f2_for(min(most, aim))
    link = least_leakage(network, channel, f2, budgets, allowed)
    if time is not None and (short := _uncertified(network, link, time)):
        return short
    bits = float(budgeted_bits(network, channel, budgets, link.gain, link.photons))
    limit = budgets.weight_limit(network)
    if limit is None or bits <= limit:
        return OperatingPoint(link, float(curve.at(f2)))
    return _why_not(network, channel, budgets, min_accuracy, f2, bits)


def aim_of(min_accuracy: float, images: int) -> float:
    """Return the accuracy to plan for, one counting error above the least that is asked for."""
    return min_accuracy + math.sqrt(min_accuracy * (1 - min_accuracy) / images)


def beyond_reach(network: Network, min_accuracy: float, most: float) -> Infeasible:
    """Return the refusal of an accuracy that no light gives; `most` is the highest."""
    return Infeasible(
        "accuracy",
        min_accuracy,
        most,
        f"accuracy {min_accuracy:.2%} is infeasible with any amount of light: "
        f"{network.name} reaches {most:.2%} at most, {min_accuracy - most:.2%} less",
    )


def _uncertified(network: Network, link: Link, time: LineTime) -> Infeasible | None:
    """Return how far a certificate falls short at `link`, the point that comes nearest, or None."""
    ratio = certified_ratio(network, link, time)
    if ratio <= MOST_RATIO * (1 + 1e-9):
        return None
    return Infeasible(
        "certificate",
        ratio,
        MOST_RATIO,
        f"no gain inside the budgets can be certified to {MOST_RATIO:g} × the declared leakage in "
        f"{time.hours:g} hours: it takes a higher gain, more time or more decoys; at gain "
        f"{link.gain:.6g} it would be {ratio:.4g} ×",
    )


def _why_not(
    network: Network,
    channel: Channel,
    budgets: Budgets,
    min_accuracy: float,
    f2: float,
    bits: float,
) -> Infeasible:
    """Return which budget is to blame: data if dropping that budget would help, else weights."""
    limit = budgets.weight_limit(network)
    assert limit is not None
    # Both budgets of the weights limit the same bits; the tighter one is told in its own unit.
    per, count = "per weight", 1.0
    if limit != budgets.weight_bits:
        per, count = "of all weights", counted_weights(network)
    free = replace(budgets, data_bits=None, image_bits=None)
    link = least_leakage(network, channel, f2, free)
    least = float(budgeted_bits(network, channel, budgets, link.gain, link.photons))
    after = f" after {budgets.inferences:,} inferences" if budgets.inferences > 1 else ""
    start = f"no gain and photon number are inside the budgets at accuracy {min_accuracy:.2%}: "
    if least > limit or not budgets.limits_data:
        return Infeasible(
            "weights",
            count * bits,
            count * limit,
            f"{start}the weight budget binds, as at least {count * bits:.4g} bits {per} leak"
            f"{after}, {count * (bits - limit):.4g} bits or {bits / limit - 1:.1%} more "
            f"than the {count * limit:g} allowed",
        )
    bound = budgets.data_bound
    # Of two budgets of the data, the one that is exceeded more is told.
    data, allowed, unit = max(
        (
            (float(leakage), budget, unit)
            for leakage, budget, unit in (
                (
                    data_bits(network, link.gain, bound, channel, link.photons),
                    budgets.data_bits,
                    "data element",
                ),
                (
                    image_bits(
                        network, link.gain, bound, budgets.decoy_rate, channel, link.photons
                    ),
                    budgets.image_bits,
                    "image",
                ),
            )
            if budget is not None
        ),
        key=lambda each: each[0] / each[1],
    )
    return Infeasible(
        "data",
        data,
        allowed,
        f"{start}the data budget binds, as the weight budget of {count * limit:g} bits can "
        f"only be kept{after} where at least {data:.4g} bits per {unit} leak under "
        f"{bound}, {data - allowed:.4g} bits or "
        f"{data / allowed - 1:.1%} more than the {allowed:g} allowed",
    )
