"""The figures of `host.figures.tables` as pictures; call inside `host.figures.style.style()`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from shotveil.host.figures.style import (
    BLACK,
    BLUE,
    GREY,
    VERMILION,
    WIDTH,
    line_styles,
    new_figure,
    over_image,
)
from shotveil.host.figures.tables import Columns, Convention
from shotveil.host.leakage.catalogue import DATA_BOUNDS, FURTHER_WEIGHT_BOUNDS, WEIGHT_BOUND
from shotveil.host.run.curves import AccuracyCurve

ACCURACIES = (50, 80, 90, 95, 97, 98, 98.5, 99)
MARKS = ((0.1, 0.01), (0.1, 0.1))
"""(bits per weight, bits per data element) that the paper marks."""
NETWORKS_BY_LOSS = ((3.0, "local area"), (6.0, "metropolitan"))


def _lines() -> dict[str, tuple[str, str, Any]]:
    """Return label, colour and dash of each quantity, which are the same in all figures."""
    named = {
        "weight_leakage_bits": f"weights, {WEIGHT_BOUND}",
        **{
            f"data_leakage_{name}_bits": f"data, {name}{'' if bound.theorem else ' (estimate)'}"
            for name, bound in DATA_BOUNDS.items()
        },
        "weight_leakage_bits_at_fixed_f2": f"weights, {WEIGHT_BOUND}, F² held",
        "weight_leakage_v1_bits": "weights, χ (arXiv v1)",
        **{f"weight_leakage_{name}_bits": f"weights, {name}" for name in FURTHER_WEIGHT_BOUNDS},
    }
    lines = {
        name: (label, colour, dash)
        for (name, label), (colour, dash) in zip(named.items(), line_styles(), strict=False)
    }
    lines["weight_leakage_prx_bits"] = "weights, χ/2 (PRX)", *lines["weight_leakage_bits"][1:]
    return lines


LINES = _lines()


def accuracy_against_f2(curve: AccuracyCurve, columns: Columns) -> Figure:
    """Draw the measured points with the fitted logistic function, and below their difference."""
    figure = new_figure(WIDTH, 5.2)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1.3))
    fit = curve.logistic
    upper.plot(
        columns["f2"],
        100 * columns["accuracy"],
        linestyle="none",
        marker=".",
        markersize=4,
        color=BLUE,
        label=f"measured, {len(columns['f2'])} points, fresh noise at each",
    )
    upper.plot(
        columns["f2"],
        100 * columns["logistic"],
        linestyle="-",
        linewidth=1.4,
        color=VERMILION,
        label=f"logistic in ln F²: {fit.low:.3f} to {fit.high:.3f},\n"
        f"midpoint {fit.midpoint:.3g}, exponent {fit.exponent:.3g}",
    )
    upper.set(
        xscale="log",
        ylabel="accuracy (%)",
        ylim=(0, 100),
        title=f"{curve.network}: accuracy on {curve.images:,} images",
    )
    upper.legend(loc="lower right")
    error = 100 * columns["counting_error"]
    lower.fill_between(
        columns["f2"], -error, error, color=GREY, alpha=0.3, linewidth=0, label="± counting error"
    )
    lower.plot(
        columns["f2"], 100 * columns["residual"], ".", markersize=3, color=BLUE, linestyle="none"
    )
    lower.set(xlabel="F², signal-to-noise ratio at the client", ylabel="residual (points)")
    lower.legend(loc="upper right")
    return figure


def accuracy_over_light(curve: AccuracyCurve, columns: Columns, convention: Convention) -> Figure:
    """Draw a map of accuracy over photon number and gain."""
    return _accuracy_map(
        columns,
        ("photons", "photon number μ per mode"),
        ("excess_gain", "gain of the client, G − 1"),
        f"{curve.network}: accuracy, {_named(convention)}\n{_argument(convention)}",
    )[0]


def accuracy_over_leakage(
    curve: AccuracyCurve, columns: Columns, convention: Convention, bound: str
) -> Figure:
    """Draw a map of accuracy over the leakage of weights and of data, with the paper's marks."""
    figure, axes = _accuracy_map(
        columns,
        ("weight_leakage_bits", "weight leakage (bits per weight)"),
        ("data_leakage_bits", f"data leakage (bits per data element, {bound})"),
        f"{curve.network}: accuracy at T = 1, {_named(convention)}\n{_argument(convention)}",
    )
    # The accuracy shown is that of the grid's nearest point, which is less than a pixel away.
    for weights, data in MARKS:
        distance = np.hypot(
            np.log(columns["weight_leakage_bits"] / weights),
            np.log(columns["data_leakage_bits"] / data),
        )
        accuracy = columns["accuracy"][int(np.argmin(distance))]
        axes.plot(weights, data, "o", markersize=8, color="white", markeredgecolor=BLACK)
        axes.annotate(
            f"({weights:g}, {data:g}): {accuracy:.1%}",
            (weights, data),
            xytext=(9, -4),
            textcoords="offset points",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
    return figure


def leakage_against_dimension(
    columns: Columns, convention: Convention, gain: float, photons: float
) -> Figure:
    """Draw the leakage of weights and data against the width of the layers."""
    figure, axes = _leakage_lines(columns, "dimension")
    rows = "n + 10" if convention == "published" else "n"
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="dimension n of data and hidden layer (N = n/2 modes)",
        title=f"Leakage against dimension, {_named(convention)}\n"
        f"G = {gain:g}, μ = {photons:g} photons per mode, T = 1, M = {rows} rows",
    )
    return figure


def leakage_against_loss(
    columns: Columns, convention: Convention, gain: float, photons: float
) -> Figure:
    """Draw the leakage of weights and data against channel loss."""
    figure, axes = _leakage_lines(columns, "loss_db")
    _mark_networks(axes, 0.33)
    axes.set(
        yscale="log",
        xlim=(0, 8),
        xlabel="channel loss, untrusted (dB)",
        title=f"Leakage against loss, {_named(convention)}\n"
        f"G = {gain:g}, μ = {photons:g}, 784-784-10, {_transmittance(convention)}",
    )
    return figure


def leakage_over_loss_and_noise(
    columns: Columns, convention: Convention, gain: float, photons: float
) -> Figure:
    """Draw a map of weight leakage over channel loss and technical noise."""
    loss, noise, bits = _as_map(columns, "loss_db", "technical_noise_snu", "weight_leakage_bits")
    figure = new_figure(7.2, 4.8)
    axes = figure.add_subplot()
    over_image(axes)
    image = axes.pcolormesh(loss, noise, bits, rasterized=True)
    figure.colorbar(image, ax=axes, label="weight leakage (bits per weight)")
    step = 0.25
    levels = np.arange(math.ceil(bits.min() / step) * step, bits.max(), step)
    _contours(axes, loss, noise, bits, levels, "%g")
    _mark_networks(axes, 0.03)
    axes.set(
        xlabel="channel loss, untrusted (dB)",
        ylabel="technical excess noise (SNU)",
        title=f"Weight leakage{_under(convention)}, {_named(convention)}\n"
        f"G = {gain:g}, μ = {photons:g}, N = 392, {_transmittance(convention)}",
    )
    return figure


def _named(convention: Convention) -> str:
    return f"{convention} convention"


def _under(convention: Convention) -> str:
    return "" if convention == "published" else f" ({WEIGHT_BOUND})"


def _argument(convention: Convention) -> str:
    if convention == "published":
        return "logistic evaluated at √(μ/D)"
    return "measured curve evaluated at F² = 2μ/D"


def _transmittance(convention: Convention) -> str:
    if convention == "published":
        return "√η in place of T"
    return "T = η of the loop"


def _as_map(
    columns: Columns, across: str, down: str, value: str
) -> tuple[NDArray[np.float64], ...]:
    """Return both axes and the matrix of a table whose first coordinate changes fastest."""
    x, y = np.unique(columns[across]), np.unique(columns[down])
    return x, y, columns[value].reshape(len(y), len(x))


def _accuracy_map(
    columns: Columns, across: tuple[str, str], down: tuple[str, str], title: str
) -> tuple[Figure, Axes]:
    x, y, accuracy = _as_map(columns, across[0], down[0], "accuracy")
    figure = new_figure(7.2, 5.0)
    axes = figure.add_subplot()
    over_image(axes)
    image = axes.pcolormesh(x, y, 100 * accuracy, vmin=10, vmax=100, rasterized=True)
    figure.colorbar(image, ax=axes, label="accuracy (%)")
    axes.set(xscale="log", yscale="log", xlabel=across[1], ylabel=down[1], title=title)
    _contours(axes, x, y, 100 * accuracy, ACCURACIES, "%g %%")
    return figure, axes


def _contours(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    values: NDArray[np.float64],
    levels: object,
    label: str,
) -> None:
    lines = axes.contour(x, y, values, levels, colors=BLACK, linestyles="-", linewidths=0.9)
    for text in axes.clabel(lines, fmt=label, fontsize=8):
        text.set_path_effects([withStroke(linewidth=2, foreground="white")])


def _leakage_lines(columns: Columns, across: str) -> tuple[Figure, Axes]:
    figure = new_figure(7.2, 4.6)
    axes = figure.add_subplot()
    for name, values in columns.items():
        if name in LINES:  # totals are in other units, and in the file alone
            label, colour, dash = LINES[name]
            axes.plot(columns[across], values, label=label, color=colour, linestyle=dash)
    axes.set_ylabel("leakage (bits per real weight or data element)")
    figure.legend(loc="outside right upper")
    return figure, axes


def _mark_networks(axes: Axes, height: float) -> None:
    """Draw vertical lines at the losses that stand for a local and a metropolitan network.

    height: Height of their names, as a fraction of the axes.
    """
    outline = [withStroke(linewidth=2.5, foreground="white")]
    for loss, name in NETWORKS_BY_LOSS:
        axes.axvline(loss, color=BLACK, linestyle=":", linewidth=1.2)
        axes.annotate(
            f"{name}\n{loss:g} dB",
            (loss, height),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=8,
            path_effects=outline,
        )
