"""The plan of an operating point as a picture; call inside `host.figures.style.style()`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
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
from shotveil.host.figures.style import BLACK, BLUE, SKY, VERMILION, new_figure, over_image
from shotveil.host.run.curves import AccuracyCurve
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network

_MARKED = 0.001, 0.01, 0.04, 0.1, 0.3, 1.0, 3.0  # gains, less 1, that the trade names
_LEAST_SHOWN, _MOST_SHOWN = 1e-4, 10.0


def picture(
    network: Network,
    curve: AccuracyCurve,
    channel: Channel,
    budgets: Budgets,
    min_accuracy: float | None,
    point: OperatingPoint | Infeasible,
) -> Figure:
    """Draw the feasible region over photon number and gain, the point in it, and what gains cost.

    The right half shows weights against data over the gain, at the F² of the point; it is left out
    where the light differs from layer to layer.
    """
    links = point.links(network) if isinstance(point, OperatingPoint) else ()
    photons, excess_gain = _window(links)
    gain = 1 + excess_gain[:, None]
    f2 = channel.f2_at(gain, photons)
    accuracy = curve.at(f2)
    gains: list[NDArray[np.float64]] = [gain] * len(network.layers)
    light: list[NDArray[np.float64]] = [photons] * len(network.layers)
    for layer, link in enumerate(links):
        if link != links[0]:  # the axes are the first layer's; the others keep gain and ratio of F²
            gains[layer] = np.asarray(link.gain)
            light[layer] = channel.photons_at(gains[layer], curve.f2_of(layer, f2))
    weights = budgeted_bits(network, channel, budgets, gains, light)
    data = data_bits(network, gain, budgets.data_bound, channel, photons)
    data = np.broadcast_to(data, weights.shape)

    traded = len(set(links)) == 1
    figure = new_figure(12.0 if traded else 7.2, 5.0)
    axes = figure.add_subplot(1, 2, 1) if traded else figure.add_subplot()
    over_image(axes)
    image = axes.pcolormesh(photons, excess_gain, 100 * accuracy, rasterized=True)
    figure.colorbar(image, ax=axes, label="accuracy (%)")
    if traded:
        _trade(figure.add_subplot(1, 2, 2), network, channel, budgets, links[0])
    allowed = budgets.weight_limit(network)
    rate = budgets.decoy_rate
    image_leakage = np.broadcast_to(
        image_bits(network, gain, budgets.data_bound, rate, channel, photons), weights.shape
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
            links[0].photons,
            links[0].gain - 1,
            linestyle="none",
            marker="*",
            markersize=16,
            markerfacecolor="white",
            markeredgecolor="black",
        )
        handles.append((mark, f"operating point, {point.accuracy:.2%}"))
    whose = ", first layer" if len(set(links)) > 1 else ""
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=f"photon number μ per mode at the server's output{whose}",
        ylabel=f"gain of the client, G − 1{whose}",
        title=f"{network.name}: feasible where nothing is hatched",
    )
    marks, names = zip(*handles, strict=True)
    figure.legend(marks, names, loc="outside lower center", ncols=2)
    return figure


def _trade(axes: Axes, network: Network, channel: Channel, budgets: Budgets, link: Link) -> None:
    """Draw weights against data over the gain, at the F² of `link`, with the budgets as lines."""
    excess_gain = np.geomspace(_LEAST_SHOWN, _MOST_SHOWN, 200)
    gains = np.concatenate([1 + excess_gain, [1 + each for each in _MARKED], [link.gain]])
    photons = channel.photons_at(gains, np.full(gains.shape, link.f2))
    weights = budgeted_bits(network, channel, budgets, gains, photons)
    data = data_bits(network, gains, budgets.data_bound, channel, photons)
    clipped = photons > channel.most_photons_at(gains)
    curve = slice(0, len(excess_gain))
    axes.plot(data[curve], np.where(clipped, np.nan, weights)[curve], color=BLUE)
    beyond = np.where(clipped, weights, np.nan)[curve]
    axes.plot(data[curve], beyond, color=BLUE, linestyle=":", label="beyond the converters' range")
    marked = slice(len(excess_gain), -1)
    axes.plot(data[marked], weights[marked], "o", color=BLUE, markersize=4)
    for each, x, y in zip(_MARKED, data[marked], weights[marked], strict=True):
        axes.annotate(f"G = {1 + each:g}", (x, y), xytext=(4, 4), textcoords="offset points")
    axes.plot(
        data[-1:],
        weights[-1:],
        "*",
        markersize=16,
        markerfacecolor="white",
        markeredgecolor="black",
    )
    if budgets.weight_bits is not None:
        axes.axhline(budgets.weight_bits, color=VERMILION)
    if budgets.data_bits is not None:
        axes.axvline(budgets.data_bits, color=BLACK)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=f"bits per data element ({budgets.data_bound})",
        ylabel="bits per weight",
        title=f"weights against data over the gain, F² = {link.f2:.4g}",
    )
    if clipped[curve].any():
        axes.legend()


def _window(links: Sequence[Link]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the photon numbers and G − 1 to show: two decades around the point, or the usual."""
    photons, excess_gain, decades = 10.0, 0.1, 3.0
    if links:
        photons, excess_gain, decades = links[0].photons, links[0].gain - 1, 2.0
    # The number is odd, so that the point itself is one of them.
    spread = np.logspace(-decades, decades, 241)
    shown = excess_gain * spread
    inside = (shown >= LEAST_EXCESS_GAIN) & (shown <= MOST_EXCESS_GAIN)
    return photons * spread, shown[inside]
