"""`python -m sim.loop_design QUESTION`: what each imperfection costs, with a plot."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from host.style import GREY, new_figure, rendered, style
from models.checks import RangeError
from models.files import write_atomically
from models.mnist import load_mnist
from models.network import load_network
from models.optics import Link
from sim.loop.design import GOAL, QUESTIONS, Answer, accuracies, answer, limit, samples_per_symbol


@click.command()
@click.argument("question", type=click.Choice([*QUESTIONS, "samples-per-symbol"]))
@click.option("--network", default="mnist-paper", show_default=True)
@click.option("--gain", default=1.3, show_default=True)
@click.option("--f2", default=2.4, show_default=True)
@click.option("--rows", default=64, show_default=True, help="Of the first layer.")
@click.option("--images", default=2000, show_default=True, help="For the accuracy.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports"))
def main(
    question: str, network: str, gain: float, f2: float, rows: int, images: int, out: Path
) -> None:
    """Answer a design question: excess noise and accuracy, all else ideal."""
    if question == "samples-per-symbol":
        variance = Link(gain=gain, photons=1).with_f2(f2).modulation_variance
        click.echo("samples a symbol   pulse alone   1/64 symbol late   (SNU, floating point)")
        for samples, (exact, late) in samples_per_symbol(variance).items():
            click.echo(f"{samples:16}   {exact:11.1e}   {late:16.1e}")
        click.echo("drive and digitiser are built for 4")
        return
    whole = load_network(network)
    found = answer(QUESTIONS[question], whole, gain, f2, rows)
    pixels, labels = load_mnist(None, "test")
    right = accuracies(whole, pixels[:images], labels[:images], found.f2, seed=1)
    click.echo(f"{QUESTIONS[question].label}: excess noise (SNU), F² left of {f2:g}, accuracy")
    for value, excess, left, share in zip(
        found.question.values, found.excess, found.f2, right, strict=True
    ):
        click.echo(f"{value:10g}   {excess:9.2e}   {left:7.4f}   {share:.2%}")
    at = limit(found)
    click.echo(
        f"{GOAL:g} SNU are reached at {at:.3g}" if at is not None else f"{GOAL:g} is not crossed"
    )
    path = out / f"loop-design-{question}.png"
    with style():
        picture = _picture(found, right, at)
        write_atomically(path, rendered(picture, "png"))
    click.echo(f"plot: {path}")


def _picture(found: Answer, right: NDArray[np.float64], at: float | None) -> Figure:
    figure = new_figure(9.2, 3.6)
    left, other = figure.subplots(1, 2)
    values = found.question.values
    left.plot(values, found.excess, "o-")
    left.axhline(GOAL, color=GREY, ls="--", lw=1)
    if at is not None:
        left.axvline(at, color=GREY, ls=":", lw=1)
    left.set(yscale="log", ylabel="excess noise (SNU)")
    other.plot(values, 100 * right, "o-")
    other.set(ylabel="accuracy (%)")
    for axes in (left, other):
        axes.set_xlabel(found.question.label)
        if found.question.log:
            axes.set_xscale("log")
    return figure


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except (RangeError, click.ClickException) as error:
        raise SystemExit(f"loop_design: {error}") from None
