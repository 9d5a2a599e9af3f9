"""The pictures of a run's report, each a matplotlib Figure.

The report uses the docstring of a picture as its alternative text.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shotveil.host.adversaries.reconstruction import (
    image_by_homodyning,
    image_by_photon_counting,
    row_at_the_bound,
    row_by_amplifying,
)
from shotveil.host.figures.style import COLOURS, line_styles, new_figure
from shotveil.host.leakage.data import data_leakage
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run import curves
from shotveil.host.run.counting import wilson
from shotveil.host.run.run import FinishedRun
from shotveil.models.link.encoding import directions, encode_rows
from shotveil.models.link.optics import Link, noise_quantum
from shotveil.models.networks.mnist import SIDE
from shotveil.models.networks.network import Network

# The paper's budgets in bits per real weight and in bits per data element, and its gain.
PAPER_WEIGHT_BITS, PAPER_DATA_BITS, PAPER_GAIN = 0.1, 0.01, 1.3
CURVE_IMAGES = 2000
INFERENCES = (1, 10, 100)
SAMPLES = 16


def digits(run: FinishedRun) -> Figure:
    """Sample images with what the client read for each class; mistakes last."""
    wrong = np.flatnonzero(run.predictions != run.labels)[: SAMPLES // 4]
    right = np.flatnonzero(run.predictions == run.labels)[: SAMPLES - len(wrong)]
    shown = [*right, *wrong]
    columns = min(8, len(shown))
    lines = -(-len(shown) // columns)
    figure = new_figure(1.25 * columns, 2.3 * lines)
    grid = figure.add_gridspec(2 * lines, columns, height_ratios=[2.2, 1] * lines)
    for place, index in enumerate(shown):
        line, column = divmod(place, columns)
        label, prediction = run.labels[index], run.predictions[index]
        top = figure.add_subplot(grid[2 * line, column])
        _picture(top, run.images[index])
        good = label == prediction
        top.set_title(
            f"{prediction}" if good else f"{prediction}, is {label}",
            color="black" if good else COLOURS[1],
            loc="center",
        )
        below = figure.add_subplot(grid[2 * line + 1, column])
        largest = int(run.inference.outputs[index].argmax())
        colours = [COLOURS[0] if k == largest else "0.75" for k in range(run.network.outputs)]
        below.bar(range(run.network.outputs), run.inference.outputs[index], color=colours)
        below.axhline(0, color="0.5", lw=0.5)
        below.set(xticks=[0, 5, 9] if run.network.outputs == 10 else [], yticks=[])
        below.grid(False)
        below.spines[:].set_visible(False)
    return figure


def accuracy_curve(run: FinishedRun) -> Figure:
    """Accuracy against F², with this run marked."""
    f2 = np.geomspace(0.01, 100, 49)
    ratios = [link.f2 / run.link.f2 for link in run.links]
    images, labels = run.images[:CURVE_IMAGES], run.labels[:CURVE_IMAGES]
    rng = np.random.default_rng([run.seed, 1])
    accuracy = curves.accuracy_curve(run.network, images, labels, f2, rng, ratios=ratios)
    low, high = wilson(accuracy, len(labels))
    figure = new_figure(6.4, 3.8)
    axes = figure.add_subplot()
    axes.fill_between(f2, 100 * low, 100 * high, alpha=0.25, lw=0)
    axes.plot(f2, 100 * accuracy, label=f"{run.network.name}, {len(labels):,} images")
    reached, interval = run.summary["accuracy"], np.array(run.summary["accuracy_interval"])
    axes.errorbar(
        run.link.f2,
        100 * reached,
        100 * np.abs(interval[:, None] - reached),
        fmt="o",
        color=COLOURS[1],
        label=f"this run, {len(run.labels):,} images",
        zorder=3,
    )
    axes.set(
        xscale="log",
        xlabel="F² = 2μ·T_out/D, signal-to-noise ratio at the client",
        ylabel="accuracy (%)",
    )
    axes.legend(loc="lower right")
    return figure


def epochs_of(network: Network) -> NDArray[np.float64] | None:
    """Return accuracies in training and on what was held out (epochs, 2), or None.

    They are what the network's file tells, which may be nothing, or no numbers.
    """
    try:
        told = network.about["learning_curve"]
        found = np.array([[float(one["accuracy"]), float(one["held_out"])] for one in told])
    except (TypeError, KeyError, ValueError):
        return None
    return found if found.size and np.isfinite(found).all() else None


def learning_curve(run: FinishedRun) -> Figure:
    """How the network's accuracy rose in training, from epoch to epoch."""
    epochs = epochs_of(run.network)
    assert epochs is not None
    figure = new_figure(6.4, 3.0)
    axes = figure.add_subplot()
    numbers = range(1, len(epochs) + 1)
    for name, values in zip(("trained on", "held out"), epochs.T, strict=True):
        axes.plot(numbers, 100 * values, "o-", ms=3, label=name)
    best = 1 + int(epochs[:, 1].argmax())
    axes.axvline(best, color="0.5", lw=0.8, label=f"kept, epoch {best}")
    axes.set(xlabel="epoch", ylabel="accuracy (%)")
    axes.legend(loc="lower right")
    return figure


def _scaled(run: FinishedRun, first: Link) -> list[Link]:
    """Return the run's links with `first` in the first layer, the others in proportion."""
    rise, light = (first.gain - 1) / (run.link.gain - 1), first.photons / run.link.photons

    def scaled(link: Link) -> Link:
        return replace(link, gain=1 + (link.gain - 1) * rise, photons=link.photons * light)

    return [first if link == run.link else scaled(link) for link in run.links]


def leakages(run: FinishedRun) -> Figure:
    """Weight leakage against photons for several gains; data leakage against gain."""
    figure = new_figure(9.2, 3.9)
    left, right = figure.subplots(1, 2)
    link, bits = run.link, run.summary["weight_leakage_bits"]
    photons = np.geomspace(min(0.1, link.photons / 10), max(1e3, link.photons * 10), 80)
    gains = sorted({1.01, 1.1, PAPER_GAIN, 2.0, link.gain})
    for gain, colour in zip(gains, COLOURS, strict=False):
        lit = [replace(link, gain=gain, photons=mu) for mu in photons]
        curve = [network_leakage(run.network, _scaled(run, one)).weight_leakage_bits for one in lit]
        this = gain == link.gain
        left.plot(photons, curve, color=colour, lw=2.2 if this else 1.2, label=f"G = {gain:.6g}")
    left.axhline(PAPER_WEIGHT_BITS, color="0.3", ls="--", lw=1)
    _name_budget(left, photons[0], PAPER_WEIGHT_BITS, "left")
    left.plot(link.photons, bits, "o", color="black", label="this run", zorder=3)
    left.set(
        xscale="log",
        yscale="log",
        xlabel="photons per mode μ at the server's output",
        ylabel="weight leakage (bits per weight)",
    )
    left.legend(fontsize=8)

    layer = run.network.layers[0]
    rise = np.geomspace(min(1e-4, (link.gain - 1) / 3), max(2.0, 3 * (link.gain - 1)), 100)
    bounds = data_leakage([noise_quantum(1 + r) for r in rise], layer.rows, layer.modes)
    for (name, values), (colour, dash) in zip(bounds.items(), line_styles(), strict=False):
        right.plot(rise, values, color=colour, linestyle=dash, label=name)
        right.plot(
            link.gain - 1, run.summary["data_leakage_bits"][name], "o", color="black", zorder=3
        )
    right.axhline(PAPER_DATA_BITS, color="0.3", ls="--", lw=1)
    _name_budget(right, rise[-1], PAPER_DATA_BITS, "right")
    right.set(
        xscale="log",
        yscale="log",
        ylim=(min(1e-7, 0.3 * min(run.summary["data_leakage_bits"].values())), 10),
        xlabel="gain − 1",
        ylabel="data leakage (bits per pixel)",
    )
    right.legend(fontsize=8, title="dots: this run", title_fontsize=8)
    return figure


def what_the_server_sees(run: FinishedRun) -> Figure:
    """One client image as a curious server reconstructs it, at this run's gain and the paper's."""
    layer = run.network.layers[0]
    image = first_inputs(run.network, run.images[:1])[0]
    xi, _ = directions(image[None])
    rows = encode_rows(layer.weights, run.link.modulation_variance)
    image = image[: layer.inputs]
    of = "the client's image" if run.network.plan.plain else "the features of an image"
    panels = [(of, image)]
    for number, gain in enumerate(_gains(run)):
        link = replace(run.link, gain=gain)
        rng = np.random.default_rng([run.seed, 2, number])
        guess = image_by_homodyning(link, rows, xi[0], layer.columns, rng)
        panels.append((f"homodyning\nG = {gain:.6g}", guess[: image.size]))
        guess, clicks = image_by_photon_counting(link, xi[0], layer.rows, layer.columns, rng)
        panels.append((f"photon counting\nG = {gain:.6g}, clicks: {clicks}", guess[: image.size]))
    figure = new_figure(9.2, 2.5)
    for axes, (title, pixels) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        _picture(axes, pixels)
        axes.set_title(title, fontsize=9)
    return figure


def _gains(run: FinishedRun) -> tuple[float, ...]:
    """Return this run's gain and the paper's, or one of them where both are the same."""
    return tuple(dict.fromkeys((run.link.gain, PAPER_GAIN)))


def gains_said(run: FinishedRun) -> str:
    """Return which gains `what_the_server_sees` shows."""
    if len(_gains(run)) == 1:
        return f"The gain is that of this run and of the paper, G = {PAPER_GAIN:g}."
    return f"Left: this run's gain; right: the paper's, G = {PAPER_GAIN:g}."


def first_inputs(network: Network, images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return what meets the first private layer, shape (n·patches, columns), for images (n, …)."""
    plan = network.plan
    return network.layers[0].inputs_of(plan.taken(plan.begin(images)))


def what_the_client_sees(run: FinishedRun) -> Figure:
    """One weight row as a client reconstructs it after 1, 10 and 100 inferences."""
    layer = run.network.layers[0]
    # The row is a typical one: the bound is a mean, and strong rows appear earlier than weak ones.
    row = int(np.abs(np.square(layer.weights).mean(axis=1) - layer.rms**2).argmin())
    sent = encode_rows(layer.weights, run.link.modulation_variance)
    weights = layer.weights[row]
    drawn = min(layer.inputs, SIDE**2)
    figure = new_figure(7.4, 3.9)
    grid = figure.add_gridspec(2, 1 + len(INFERENCES))
    truth = figure.add_subplot(grid[:, 0])
    _picture(truth, weights[:drawn], signed=True)
    truth.set_title(f"row {row} of the server's\nfirst layer", fontsize=9)
    for line, (name, guess) in enumerate(
        (("amplifying client", row_by_amplifying), ("at the Holevo bound", row_at_the_bound))
    ):
        for column, count in enumerate(INFERENCES):
            rng = np.random.default_rng([run.seed, 3, line, column])
            axes = figure.add_subplot(grid[line, 1 + column])
            pixels = guess(run.link, sent, row, layer.columns, count, rng)[:drawn]
            _picture(axes, pixels, signed=True)
            like = np.corrcoef(weights[:drawn], pixels)[0, 1]
            title = f"{count} inference{'s' if count > 1 else ''}\n" if line == 0 else ""
            axes.set_title(f"{title}correlation {like:.2f}", fontsize=9)
            if column == 0:
                axes.set_ylabel(name, fontsize=9)
    return figure


def _name_budget(axes: Axes, x: float, bits: float, side: str) -> None:
    axes.text(x, bits, "the paper's budget", ha=side, va="bottom", fontsize=8)


def _picture(axes: Axes, pixels: NDArray[np.floating], signed: bool = False) -> None:
    """Show pixels as a square, in grey from 0 or in red to blue around 0, up to the largest one.

    Data that are no square image are shown line by line in a square, whose rest stays empty.
    """
    side = math.ceil(math.sqrt(pixels.size))
    square = np.full((side, side), np.nan)
    square.flat[: pixels.size] = pixels
    if signed:
        largest = float(np.nanmax(np.abs(square)))
        axes.imshow(square, cmap="RdBu", vmin=-largest, vmax=largest)
    else:
        axes.imshow(square, cmap="gray_r", vmin=0)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
