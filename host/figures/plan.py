"""The plan of an operating point as a picture; call inside `host.figures.style.style()`."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shotveil.host.design.operating_point import (
    LEAST_EXCESS_GAIN,
    MOST_EXCESS_GAIN,
    Budgets,
    budgeted_bits,
    data_bits,
    image_bits,
)
from shotveil.host.design.plan import Infeasible, OperatingPoint
from shotveil.host.figures.style import BLACK, SKY, VERMILION, new_figure, over_image
from shotveil.host.run.curves import AccuracyCurve
from shotveil.models.link.channel import Channel
from shotveil.models.networks.network import Network


def picture(
    network: Network,
    curve: AccuracyCurve,
    channel: Channel,
    budgets: Budgets,
    min_accuracy: float | None,
    point: OperatingPoint | Infeasible,
) -> Figure:
    """Draw the feasible region over photon number and gain, and the point in it."""
    photons, excess_gain = _window(point)
    gain = 1 + excess_gain[:, None]
    accuracy = curve.at(channel.f2_at(gain, photons))
    weights = budgeted_bits(network, channel, budgets, gain, photons)
    data = np.broadcast_to(data_bits(network, gain, budgets.data_bound), weights.shape)

    figure = new_figure(7.2, 5.0)
    axes = figure.add_subplot()
    over_image(axes)
    image = axes.pcolormesh(photons, excess_gain, 100 * accuracy, rasterized=True)
    figure.colorbar(image, ax=axes, label="accuracy (%)")
    allowed = budgets.weight_limit(network)
    image_leakage = np.broadcast_to(
        image_bits(network, gain, budgets.data_bound, budgets.decoy_rate), weights.shape
    )
    limits: list[tuple[NDArray[np.float64], float | None, str, str, str]] = [
        (weights, allowed, VERMILION, "//", "bit per weight"),
        (data, budgets.data_bits, BLACK, "\\\\", f"bit per data element ({budgets.data_bound})"),
        (image_leakage, budgets.image_bits, BLACK, "xx", f"bits per image ({budgets.data_bound})"),
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
    """Return the photon numbers and G − 1 to show: two decades around the point, or the usual."""
    photons, excess_gain, decades = 10.0, 0.1, 3.0
    if isinstance(point, OperatingPoint):
        photons, excess_gain, decades = point.link.photons, point.link.gain - 1, 2.0
    # The number is odd, so that the point itself is one of them.
    spread = np.logspace(-decades, decades, 241)
    shown = excess_gain * spread
    inside = (shown >= LEAST_EXCESS_GAIN) & (shown <= MOST_EXCESS_GAIN)
    return photons * spread, shown[inside]
