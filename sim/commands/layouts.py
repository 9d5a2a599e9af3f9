"""`shotveil lab layouts`: random frame layouts on the compiled receiver."""

from __future__ import annotations

import click

from shotveil.host.commands.options import json_option, seed_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.commands.show import progress_bar
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA


@click.command()
@click.option(
    "--count",
    type=int,
    default=50,
    help="Number of layouts for each of the two receivers (1 or more).",
)
@seed_option
@json_option
def layouts(count: int, seed: int, json: bool) -> None:
    """Play light of random layouts that are accepted on the compiled receivers.

    All that comes out is compared with the model. Ends with exit code 1 where they differ, or where
    symbols or sums are lost.
    """
    with needs(EXTRA):
        import numpy as np

        from shotveil.sim.figures.layouts import run

    with progress_bar("layouts") as progress:
        try:
            seen = run(
                count, np.random.default_rng(seed), progress=lambda more: progress(more, 2 * count)
            )
        except AssertionError as error:
            raise Failed(str(error)) from None
    if json:
        print_json(
            {"accepted": seen.accepted, "refused": seen.refused, "longest_row": seen.longest}
        )
    else:
        click.echo(
            f"{seen.accepted} layouts, rows of up to {seen.longest} symbols, are received as the "
            f"model says ({seen.refused} draws were refused before light)"
        )
