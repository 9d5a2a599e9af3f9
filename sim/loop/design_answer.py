"""What each imperfection costs, in numbers and as a plot: `shotveil lab design QUESTION`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shotveil.host.figures.style import GREY, new_figure, rendered, style
from shotveil.models.common.files import write_atomically
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network
from shotveil.models.waveform.impairments import Impairments
from shotveil.sim.loop.design import (
    GOAL,
    LEAD,
    QUESTIONS,
    SAMPLES,
    ImperfectionCost,
    accuracies,
    answer,
    limit,
)
from shotveil.sim.loop.settings import REALISTIC

Real = NDArray[np.float64]
FLOOR = 1e-8  # SNU; smaller values, such as rounding errors, are drawn here
SAMPLES_NAME = "samples-per-symbol"
LEAD_NAME = "lead-in"
LASER = ("linewidth", "unmatched_out", "unmatched_back")


def questions() -> Iterable[str]:
    """The names of all design questions."""
    return *QUESTIONS, LEAD_NAME, SAMPLES_NAME


@dataclass(frozen=True)
class DesignAnswer:
    """An answer as lines of text, as numbers by name, and as a function that draws it."""

    lines: tuple[str, ...]
    numbers: dict[str, Any]
    draw: Callable[[], Figure]

    def save(self, path: Path) -> None:
        """Write the plot as PNG."""
        with style():
            write_atomically(path, rendered(self.draw(), "png"))


def answered(
    question: str, network: str, gain: float, f2: float, rows: int, images: int
) -> DesignAnswer:
    """Excess noise and accuracy at each value of one imperfection, with all else ideal.

    What the number of samples a symbol costs is also told with realistic distortions, and what a
    shorter lead-in costs with these alone.
    """
    whole = load_network(network)
    pixels, labels = load_mnist(None, "test")

    def right(left: Real) -> Real:
        """The accuracy at each F² that is left, followed by that over the ideal link."""
        return accuracies(whole, pixels[:images], labels[:images], np.append(left, f2), seed=1)

    if question == SAMPLES_NAME:
        found = {
            name: answer(SAMPLES, whole, gain, f2, rows, others=others)
            for name, others in links_of_samples().items()
        }
        return _of_samples(found, right)
    # Ideal optics leave nothing to lock to; all other questions are about one imperfection alone.
    others = realistic_distortions() if question == LEAD_NAME else None
    asked = {**QUESTIONS, LEAD_NAME: LEAD}[question]
    return _of_question(answer(asked, whole, gain, f2, rows, others=others), f2, right)


def _of_question(found: ImperfectionCost, f2: float, right: Callable[[Real], Real]) -> DesignAnswer:
    label, values = found.question.label, found.question.values
    accuracy = right(found.f2)
    lines = [f"{label}: excess noise (SNU), F² left of {f2:g}, accuracy"]
    for value, excess, left, share in zip(
        values, found.excess, found.f2, accuracy[:-1], strict=True
    ):
        lines.append(f"{value:10g}   {excess:9.2e}   {left:7.4f}   {share:.2%}")
    at = limit(found)
    lines.append(
        f"{GOAL:g} SNU are reached at {at:.3g}" if at is not None else f"{GOAL:g} is not crossed"
    )
    numbers = {
        "imperfection": label,
        "values": list(values),
        "excess_noise": found.excess.tolist(),
        "f2": found.f2.tolist(),
        "accuracy": accuracy[:-1].tolist(),
        "ideal_accuracy": float(accuracy[-1]),
        "limit": None if at is None else float(at),
    }
    drawn = {"": (found.excess, accuracy[:-1])}
    return DesignAnswer(
        tuple(lines),
        numbers,
        lambda: _picture(label, values, found.question.log, drawn, accuracy[-1], at),
    )


def realistic_distortions() -> Impairments:
    """What realistic, calibrated optics do to light without noise of their own."""
    return REALISTIC.calibrated().distortions()


def links_of_samples() -> dict[str, Impairments]:
    """The links over which symbols of 2 and of 4 samples are compared.

    An oscillator's path that is too long or too short turns the laser's phase noise into noise of
    the symbols. The longer a symbol lasts, the more of it is averaged out, whatever the nodes do.
    """
    real = realistic_distortions()
    return {
        "all else ideal": Impairments(),
        "realistic, still laser": real.without(*LASER),
        "realistic": real,
    }


def _of_samples(
    found: Mapping[str, ImperfectionCost], right: Callable[[Real], Real]
) -> DesignAnswer:
    label, values = SAMPLES.label, SAMPLES.values
    accuracy = right(np.concatenate([each.f2 for each in found.values()]))
    shares = dict(zip(found, accuracy[:-1].reshape(len(found), -1), strict=True))
    lines = [f"{label}: " + "; ".join(f"{name} (SNU), accuracy" for name in found)]
    for k, value in enumerate(values):
        parts = [f"{each.excess[k]:9.2e}   {shares[n][k]:.2%}" for n, each in found.items()]
        lines.append(f"{value:10g}   " + "   ".join(parts))
    costs = {name: float(each.excess[0] - each.excess[-1]) for name, each in found.items()}
    lines += [f"2 instead of 4 cost {cost:+.1e} SNU, {name}" for name, cost in costs.items()]
    numbers = {
        "imperfection": label,
        "values": list(values),
        **{
            name: {
                "excess_noise": each.excess.tolist(),
                "cost": costs[name],
                "f2": each.f2.tolist(),
                "accuracy": shares[name].tolist(),
            }
            for name, each in found.items()
        },
        "ideal_accuracy": float(accuracy[-1]),
    }
    drawn = {name: (each.excess, shares[name]) for name, each in found.items()}
    return DesignAnswer(
        tuple(lines),
        numbers,
        lambda: _picture(label, values, False, drawn, accuracy[-1], None),
    )


def _picture(
    label: str,
    values: Sequence[float],
    log: bool,
    lines: Mapping[str, tuple[Real, Real]],
    ideal: float,
    at: float | None,
) -> Figure:
    """Draw excess noise and accuracy over the values; `lines` has both, by name."""
    figure = new_figure(9.2, 3.6)
    left, other = figure.subplots(1, 2)
    for (name, (excess, right)), marker in zip(lines.items(), "os^", strict=False):
        left.plot(values, np.maximum(excess, FLOOR), marker=marker, label=name)
        other.plot(values, 100 * right, marker=marker, label=name)
    left.axhline(GOAL, color=GREY, ls="--", lw=1)
    left.annotate(
        "10⁻⁴ SNU", (1, GOAL), xycoords=("axes fraction", "data"), ha="right", va="bottom",
        fontsize=8, color=GREY,
    )  # fmt: skip
    if at is not None:
        left.axvline(at, color=GREY, ls=":", lw=1)
        left.annotate(
            f" {at:.3g}", (at, 0), xycoords=("data", "axes fraction"), va="bottom", fontsize=8,
            color=GREY,
        )  # fmt: skip
    left.set(yscale="log", ylabel="excess noise (SNU at the returned mode)")
    other.axhline(100 * ideal, color=GREY, ls="--", lw=1)
    other.annotate(
        "ideal link", (0, 100 * ideal), xycoords=("axes fraction", "data"), xytext=(4, 2),
        textcoords="offset points", va="bottom", fontsize=8, color=GREY,
    )  # fmt: skip
    # A change of a few hundredths should not look like a large one.
    lowest = 100 * min(float(right.min()) for _, right in lines.values())
    other.set(ylabel="accuracy (%)", ylim=(min(lowest, 100 * ideal - 2) - 0.3, 100 * ideal + 0.7))
    for axes in (left, other):
        axes.set_xlabel(label)
        if log:
            axes.set_xscale("log")
        elif all(float(value).is_integer() for value in values):
            axes.set_xticks(values)
        if len(lines) > 1:
            axes.legend()
    return figure
