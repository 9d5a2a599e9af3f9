"""The plan of an operating point: found on a calibrated curve, confirmed by a direct run.

Accuracy depends on the optics through F² alone, leakage has closed forms, so the search itself
(`host.design.operating_point`) needs no simulation; one measured curve per network turns F² into
accuracy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shotveil.host.design.operating_point import (
    LEAST_EXCESS_GAIN,
    MOST_EXCESS_GAIN,
    Budgets,
    data_bits,
    f2_of,
    least_leakage,
    most_light,
    weight_bits,
)
from shotveil.host.figures.style import BLACK, SKY, VERMILION, new_figure, over_image
from shotveil.host.run.curves import AccuracyCurve
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network


@dataclass(frozen=True)
class Infeasible:
    """Why there is no operating point. binding: weights, data or accuracy, whichever stands in the
    way; required, allowed: of it, in bits, or as a fraction for accuracy.
    """

    binding: str
    required: float
    allowed: float
    reason: str


@dataclass(frozen=True)
class OperatingPoint:
    """Settings of the link, and the accuracy that the curve promises there."""

    link: Link
    accuracy: float


def find(
    network: Network,
    curve: AccuracyCurve,
    channel: Link,
    budgets: Budgets,
    min_accuracy: float | None = None,
    aim: float | None = None,
) -> OperatingPoint | Infeasible:
    """The point of highest accuracy inside the budgets, or of least leakage at `min_accuracy`.

    channel: all settings but gain and photon number. With `min_accuracy` the weight leakage is
    minimised; the data leakage instead, where there is a weight budget and no data budget. aim is
    what the curve has to reach for it, by default one counting error more, so that a run that
    confirms `min_accuracy` rarely falls short by chance.
    Raises `RangeError` where neither a weight budget nor an accuracy is given.
    """
    if min_accuracy is None:
        if budgets.weight_bits is None:
            raise RangeError("neither a weight budget nor a least accuracy is given; one is needed")
        link = most_light(network, channel, budgets)
        return OperatingPoint(link, float(curve.at(link.f2)))
    require("min accuracy", min_accuracy, above=0, below=1)
    most = float(curve.monotone[-1])
    if min_accuracy > most:
        return Infeasible(
            "accuracy",
            min_accuracy,
            most,
            f"accuracy {min_accuracy:.2%} is infeasible with any amount of light: "
            f"{network.name} reaches {most:.2%} at most, {min_accuracy - most:.2%} less",
        )
    if aim is None:
        aim = min_accuracy + math.sqrt(min_accuracy * (1 - min_accuracy) / curve.images)
    f2 = curve.f2_for(min(most, aim))
    link = least_leakage(network, channel, f2, budgets)
    bits = float(weight_bits(network, channel, link.gain, link.photons, budgets.inferences))
    if budgets.weight_bits is None or bits <= budgets.weight_bits:
        return OperatingPoint(link, float(curve.at(f2)))
    return _why_not(network, channel, budgets, min_accuracy, f2, bits)


def _why_not(
    network: Network,
    channel: Link,
    budgets: Budgets,
    min_accuracy: float,
    f2: float,
    bits: float,
) -> Infeasible:
    """The budget that binds: weights alone, or data, where giving it up would be enough."""
    assert budgets.weight_bits is not None
    free = replace(budgets, data_bits=None)
    link = least_leakage(network, channel, f2, free)
    least = float(weight_bits(network, channel, link.gain, link.photons, budgets.inferences))
    after = f" after {budgets.inferences:,} inferences" if budgets.inferences > 1 else ""
    start = f"no gain and photon number are inside the budgets at accuracy {min_accuracy:.2%}: "
    if least > budgets.weight_bits or budgets.data_bits is None:
        return Infeasible(
            "weights",
            bits,
            budgets.weight_bits,
            f"{start}the weight budget binds, as at least {bits:.4g} bits per weight leak{after}, "
            f"{bits - budgets.weight_bits:.4g} bits or {bits / budgets.weight_bits - 1:.1%} more "
            f"than the {budgets.weight_bits:g} allowed",
        )
    data = float(data_bits(network, link.gain, budgets.data_bound))
    return Infeasible(
        "data",
        data,
        budgets.data_bits,
        f"{start}the data budget binds, as the weight budget of {budgets.weight_bits:g} bits can "
        f"only be kept{after} where at least {data:.4g} bits per data element leak under "
        f"{budgets.data_bound}, {data - budgets.data_bits:.4g} bits or "
        f"{data / budgets.data_bits - 1:.1%} more than the {budgets.data_bits:g} allowed",
    )


def picture(
    network: Network,
    curve: AccuracyCurve,
    channel: Link,
    budgets: Budgets,
    min_accuracy: float | None,
    point: OperatingPoint | Infeasible,
) -> Figure:
    """The feasible region over photon number and gain, and the point in it."""
    photons, excess_gain = _window(point)
    gain = 1 + excess_gain[:, None]
    accuracy = curve.at(f2_of(channel, gain, photons))
    weights = weight_bits(network, channel, gain, photons, budgets.inferences)
    data = np.broadcast_to(data_bits(network, gain, budgets.data_bound), weights.shape)

    figure = new_figure(7.2, 5.0)
    axes = figure.add_subplot()
    over_image(axes)
    image = axes.pcolormesh(photons, excess_gain, 100 * accuracy, rasterized=True)
    figure.colorbar(image, ax=axes, label="accuracy (%)")
    limits: list[tuple[NDArray[np.float64], float | None, str, str, str]] = [
        (weights, budgets.weight_bits, VERMILION, "//", "bit per weight"),
        (data, budgets.data_bits, BLACK, "\\\\", f"bit per data element ({budgets.data_bound})"),
        (-accuracy, None if min_accuracy is None else -min_accuracy, SKY, "..", "accuracy"),
    ]
    handles = []
    for values, limit, colour, hatch, name in limits:
        if limit is None:
            continue
        outside = axes.contourf(
            photons, excess_gain, values, [limit, np.inf], colors="none", hatches=[hatch]
        )
        outside.set_edgecolor(colour)
        outside.set_linewidth(0)
        edge = axes.contour(
            photons, excess_gain, values, [limit], colors=colour, linestyles="-", linewidths=2
        )
        (line,) = edge.legend_elements()[0][:1]
        handles.append((line, f"limit: {abs(limit):g} {name}"))
    if isinstance(point, OperatingPoint):
        (mark,) = axes.plot(
            point.link.photons,
            point.link.gain - 1,
            linestyle="none",
            marker="*",
            markersize=16,
            markerfacecolor="white",
            markeredgecolor="black",
        )
        handles.append((mark, f"operating point, {point.accuracy:.2%}"))
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="photon number μ per mode at the server's output",
        ylabel="gain of the client, G − 1",
        title=f"{network.name}: feasible where nothing is hatched",
    )
    marks, names = zip(*handles, strict=True)
    figure.legend(marks, names, loc="outside lower center", ncols=2)
    return figure


def _window(point: OperatingPoint | Infeasible) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Photon numbers and G − 1 to show: two decades either way of the point, or the usual ones."""
    photons, excess_gain, decades = 10.0, 0.1, 3.0
    if isinstance(point, OperatingPoint):
        photons, excess_gain, decades = point.link.photons, point.link.gain - 1, 2.0
    # An odd number, so that the point itself is one of them.
    spread = np.logspace(-decades, decades, 241)
    shown = excess_gain * spread
    inside = (shown >= LEAST_EXCESS_GAIN) & (shown <= MOST_EXCESS_GAIN)
    return photons * spread, shown[inside]
