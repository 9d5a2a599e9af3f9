"""`shotveil lab hosts`: hosts that die at any byte, against the node's gateware."""

from __future__ import annotations

import time

import click

from shotveil.host.commands.options import json_option, seed_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.commands.show import progress_bar
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA


@click.command()
@click.option("--kills", type=int, default=10_000, help="Number of hosts to kill (1 or more).")
@seed_option
@json_option
def hosts(kills: int, seed: int, json: bool) -> None:
    """Kill hosts of a node at a random byte, and let the next one play.

    The node is the server's gateware, compiled. While the next host's batch plays, settings are
    written to it at random. Ends with exit code 1 where that batch is not the model's to the bit,
    or where a setting is written without a flag.
    """
    with needs(EXTRA):
        import numpy as np

        from shotveil.sim.loop.hosts import Wrong, run

    started = time.perf_counter()
    with progress_bar("hosts") as progress:
        try:
            seen = run(kills, np.random.default_rng(seed), lambda more: progress(more, kills))
        except Wrong as error:
            raise Failed(str(error)) from None
    seconds = time.perf_counter() - started
    if json:
        print_json(
            {
                "kills": seen.kills,
                "survivors": seen.survivors,
                "settings": seen.settings,
                "seconds": seconds,
            }
        )
        return
    click.echo(
        f"{seen.kills} hosts killed, {seen.settings} settings written during batches: each next "
        f"batch is the model's, each attempt was flagged; {seconds:.0f} s"
    )
