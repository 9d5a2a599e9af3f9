"""`shotveil lab link-soak`: a host and a device on a wire that damages, loses and repeats."""

from __future__ import annotations

from dataclasses import asdict

import click

from shotveil.host.commands.options import json_option, seed_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA


@click.command()
@click.option(
    "--packets",
    type=int,
    default=1_000_000,
    help="Number of packets to send in both directions together (1 or more).",
)
@seed_option
@json_option
def link_soak(packets: int, seed: int, json: bool) -> None:
    """Send packets over a bad wire, and check that every word arrives once and in order.

    The wire damages, loses, repeats and delays packets. Ends with exit code 1 at the first word
    that is not the next one. A million packets take two minutes.
    """
    with needs(EXTRA):
        import numpy as np

        from shotveil.models.common.checks import require
        from shotveil.sim.figures.link_soak import soak

    require("packets", packets, at_least=1)
    try:
        report = soak(packets, np.random.default_rng(seed))
    except AssertionError as error:
        raise Failed(str(error)) from None
    if json:
        found = asdict(report)
        del found["to_device"]
        print_json(found)
    else:
        click.echo(str(report))
