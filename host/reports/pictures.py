"""The pictures of a run's report, each one or more panels, which are matplotlib Figures.

A report lays the panels of a picture side by side as far as its page has room, so no panel is
wider than `PANEL`. It uses the docstring of a picture as its alternative text.
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
from shotveil.host.figures.style import COLOURS, PANEL, line_styles, new_figure
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
SMALL = 9  # size in points of the smallest text


def digits(run: FinishedRun) -> tuple[Figure, ...]:
    """Sample images with what the client read for each class; mistakes last."""
    wrong = np.flatnonzero(run.predictions != run.labels)[: SAMPLES // 4]
    right = np.flatnonzero(run.predictions == run.labels)[: SAMPLES - len(wrong)]
    return tuple(_digit(run, int(index)) for index in [*right, *wrong])


def _digit(run: FinishedRun, index: int) -> Figure:
    label, prediction = run.labels[index], run.predictions[index]
    good = label == prediction
    figure = new_figure(1.05, 1.95)
    top, below = figure.subplots(2, 1, height_ratios=[2.2, 1])
    _picture(top, run.images[index])
    top.set_title(
        f"{prediction}" if good else f"{prediction}, is {label}",
        color="black" if good else COLOURS[1],
        loc="center",
    )
    largest = int(run.inference.outputs[index].argmax())
    colours = [COLOURS[0] if k == largest else "0.75" for k in range(run.network.outputs)]
    below.bar(range(run.network.outputs), run.inference.outputs[index], color=colours)
    below.axhline(0, color="0.5", lw=0.5)
    below.set(xticks=[0, 5, 9] if run.network.outputs == 10 else [], yticks=[])
    below.tick_params(labelsize=SMALL)
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
    figure = new_figure(PANEL, 3.2)
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
        xlabel="F² = 2μ·T_out/D, SNR at the client",
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
    figure = new_figure(PANEL, 2.8)
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


def leakages(run: FinishedRun) -> tuple[Figure, Figure]:
    """Weight leakage against photons for several gains; data leakage against gain."""
    return _weight_leakages(run), _data_leakages(run)


def _weight_leakages(run: FinishedRun) -> Figure:
    figure = new_figure(PANEL, 3.6)
    axes = figure.add_subplot()
    link, bits = run.link, run.summary["weight_leakage_bits"]
    photons = np.geomspace(min(0.1, link.photons / 10), max(1e3, link.photons * 10), 80)
    for gain, colour in zip(
        sorted(_distinct(link.gain, 1.01, 1.1, PAPER_GAIN, 2.0)), COLOURS, strict=False
    ):
        lit = [replace(link, gain=gain, photons=mu) for mu in photons]
        curve = [network_leakage(run.network, _scaled(run, one)).weight_leakage_bits for one in lit]
        this = gain == link.gain
        axes.plot(photons, curve, color=colour, lw=2.2 if this else 1.2, label=f"G = {gain:.6g}")
    axes.axhline(PAPER_WEIGHT_BITS, color="0.3", ls="--", lw=1)
    _name_budget(axes, photons[0], PAPER_WEIGHT_BITS, "left")
    axes.plot(link.photons, bits, "o", color="black", label="this run", zorder=3)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="photons per mode μ at the server's output",
        ylabel="weight leakage (bits per weight)",
    )
    axes.legend(fontsize=SMALL)
    return figure


def _data_leakages(run: FinishedRun) -> Figure:
    figure = new_figure(PANEL, 3.6)
    axes = figure.add_subplot()
    link, layer = run.link, run.network.layers[0]
    rise = np.geomspace(min(1e-4, (link.gain - 1) / 3), max(2.0, 3 * (link.gain - 1)), 100)
    bounds = data_leakage([noise_quantum(1 + r) for r in rise], layer.rows, layer.modes)
    for (name, values), (colour, dash) in zip(bounds.items(), line_styles(), strict=False):
        axes.plot(rise, values, color=colour, linestyle=dash, label=name)
        axes.plot(
            link.gain - 1, run.summary["data_leakage_bits"][name], "o", color="black", zorder=3
        )
    dots = run.summary["data_leakage_bits"].values()
    axes.axhline(PAPER_DATA_BITS, color="0.3", ls="--", lw=1)
    _name_budget(axes, rise[-1], PAPER_DATA_BITS, "right")
    axes.set(
        xscale="log",
        yscale="log",
        ylim=(min(1e-7, 0.3 * min(dots)), max(10, 3 * max(dots))),
        xlabel="gain − 1",
        ylabel="data leakage (bits per pixel)",
    )
    axes.legend(fontsize=SMALL, title="dots: this run", title_fontsize=SMALL)
    return figure


def what_the_server_sees(run: FinishedRun) -> tuple[Figure, ...]:
    """One client image as a curious server reconstructs it, at this run's gain and the paper's."""
    layer = run.network.layers[0]
    image = first_inputs(run.network, run.images[:1])[0]
    xi, _ = directions(image[None])
    rows = encode_rows(layer.weights, run.link.modulation_variance)
    image = image[: layer.inputs]
    of = "the client's\nimage" if run.network.plan.plain else "the features\nof an image"
    panels = [_panel(of, image)]
    for number, gain in enumerate(_gains(run)):
        link = replace(run.link, gain=gain)
        rng = np.random.default_rng([run.seed, 2, number])
        guess = image_by_homodyning(link, rows, xi[0], layer.columns, rng)
        panels.append(_panel(f"homodyning\nG = {gain:.6g}", guess[: image.size]))
        guess, clicks = image_by_photon_counting(link, xi[0], layer.rows, layer.columns, rng)
        said = f"photon counting\nG = {gain:.6g}\nclicks: {clicks}"
        panels.append(_panel(said, guess[: image.size]))
    return tuple(panels)


def _panel(title: str, pixels: NDArray[np.floating], signed: bool = False) -> Figure:
    """Return a panel with one image."""
    figure = new_figure(1.28, 1.85)
    axes = figure.add_subplot()
    _picture(axes, pixels, signed)
    axes.set_anchor("S")  # beside one another, images of panels are at the same height
    axes.set_title(title, fontsize=SMALL)
    return figure


def _distinct(*gains: float) -> list[float]:
    """Return the gains of which no earlier one looks the same where it is written."""
    seen: dict[str, float] = {}
    for gain in gains:
        seen.setdefault(f"{gain:.6g}", gain)
    return list(seen.values())


def _gains(run: FinishedRun) -> list[float]:
    """Return this run's gain and the paper's, or one of them where both are the same."""
    return _distinct(run.link.gain, PAPER_GAIN)


def gains_said(run: FinishedRun) -> str:
    """Return which gains `what_the_server_sees` shows."""
    if len(_gains(run)) == 1:
        return f"The gain is that of this run and of the paper, G = {PAPER_GAIN:g}."
    return f"First with this run's gain, then with the paper's, G = {PAPER_GAIN:g}."


def first_inputs(network: Network, images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return what meets the first private layer, shape (n·patches, columns), for images (n, …)."""
    plan = network.plan
    return network.layers[0].inputs_of(plan.taken(plan.begin(images)))


def what_the_client_sees(run: FinishedRun) -> tuple[Figure, ...]:
    """One weight row as a client reconstructs it after 1, 10 and 100 inferences."""
    layer = run.network.layers[0]
    # The row is a typical one: the bound is a mean, and strong rows appear earlier than weak ones.
    row = int(np.abs(np.square(layer.weights).mean(axis=1) - layer.rms**2).argmin())
    sent = encode_rows(layer.weights, run.link.modulation_variance)
    weights = layer.weights[row]
    drawn = min(layer.inputs, SIDE**2)
    panels = [_panel(f"row {row} of the\nfirst layer,\nas it is", weights[:drawn], signed=True)]
    for line, (name, guess) in enumerate(
        (("amplifying client", row_by_amplifying), ("at the bound", row_at_the_bound))
    ):
        for column, count in enumerate(INFERENCES):
            rng = np.random.default_rng([run.seed, 3, line, column])
            pixels = guess(run.link, sent, row, layer.columns, count, rng)[:drawn]
            like = np.corrcoef(weights[:drawn], pixels)[0, 1]
            times = f"{count} inference{'s' if count > 1 else ''}"
            title = f"{name}\n{times}\ncorrelation {like:.2f}"
            panels.append(_panel(title, pixels, signed=True))
    return tuple(panels)


def _name_budget(axes: Axes, x: float, bits: float, side: str) -> None:
    axes.text(x, bits, "the paper's budget", ha=side, va="bottom", fontsize=SMALL)


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
