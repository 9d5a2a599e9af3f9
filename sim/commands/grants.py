"""`shotveil lab grants`: random hosts against the transmitter's gateware."""

from __future__ import annotations

import time

import click

from shotveil.host.commands.options import json_option, seed_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA


@click.command()
@click.option(
    "--scripts", type=int, default=100_000, help="Number of random hosts to play (1 or more)."
)
@seed_option
@json_option
def grants(scripts: int, seed: int, json: bool) -> None:
    """Let random hosts play with the transmitter's gateware, and count the rows that leave.

    Ends with exit code 1 where any row leaves that was not granted.
    """
    with needs(EXTRA):
        import numpy as np

        from shotveil.sim.figures.grants import Trespass, run

    started = time.perf_counter()
    try:
        verdict = run(scripts, np.random.default_rng(seed))
    except Trespass as error:
        raise Failed(str(error)) from None
    seconds = time.perf_counter() - started
    if json:
        print_json(
            {
                "scripts": verdict.scripts,
                "batches": verdict.batches,
                "granted": verdict.granted,
                "emitted": verdict.emitted,
                "complete": int(verdict.complete),
                "endings": dict(verdict.endings),
                "seconds": seconds,
            }
        )
        return
    click.echo(
        f"{verdict.scripts} scripts, {verdict.batches} batches, {verdict.granted} rows granted, "
        f"{verdict.emitted} emitted, {verdict.complete} batches sent their whole grant, "
        f"none sent more; {seconds:.0f} s"
    )
    for name, count in verdict.endings.most_common():
        click.echo(f"  ended by {name}: {count}")
