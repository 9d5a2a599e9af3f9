"""`shotveil lab design`: what each imperfection costs, with a plot."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from shotveil.host.commands.options import (
    FOLDER,
    OneOf,
    json_option,
    network_option,
    out_option,
)
from shotveil.host.commands.output import print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA, f2_option, gain_option


def names() -> Iterable[str]:
    """The names of all design questions."""
    with needs(EXTRA):
        from shotveil.sim.loop.design_answer import questions
    return questions()


@click.command()
@click.argument("question", type=OneOf("question", names))
@network_option("mnist-paper")
@gain_option
@f2_option
@click.option(
    "--rows", type=int, default=64, help="Number of rows of the first layer to send (1 or more)."
)
@click.option(
    "--images",
    type=int,
    default=2000,
    help="Number of test images that the accuracy is taken over (1 or more).",
)
@out_option("reports", "Folder that the plot is written to.", FOLDER)
@json_option
def design(
    question: str,
    network: str,
    gain: float,
    f2: float,
    rows: int,
    images: int,
    out: Path,
    json: bool,
) -> None:
    """Answer the design QUESTION: excess noise and accuracy with one imperfection, all else ideal.

    Questions are, for example, dac-bits, linewidth or loop-delay; any other word makes the command
    name all of them.
    """
    with needs(EXTRA):
        from shotveil.sim.loop.design_answer import answered

    found = answered(question, network, gain, f2, rows, images)
    path = out / f"loop-design-{question}.png"
    if not json:
        click.echo("\n".join(found.lines))
    found.save(path)
    if json:
        print_json({"question": question, **found.numbers, "plot": str(path)})
    else:
        click.echo(f"plot: {path}")
