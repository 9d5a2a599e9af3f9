"""`shotveil lab mutations`: changes of the gateware that its tests should find."""

from __future__ import annotations

import click

from shotveil.host.commands.options import json_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA

FLOOR = 0.95  # share of the mutations that tests have to find


@click.command()
@click.argument("file", default="")
@json_option
def mutations(file: str, json: bool) -> None:
    """Plant small changes in gateware and models, and see whether the tests of the file find them.

    All are tried unless a part of a file's path is given, such as drive/dac. This needs a checkout.
    Ends with exit code 1 where tests find fewer than 95%.
    """
    with needs(EXTRA):
        from shotveil.sim.proofs.mutations import outcomes

    told, survived = [], []
    for outcome in outcomes(file):
        told.append({"mutation": str(outcome.mutation), "found": outcome.found})
        if not json:
            click.echo(f"{'found' if outcome.found else 'SURVIVED':<9} {outcome.mutation}")
        if not outcome.found:
            survived.append(str(outcome.mutation))
    share = 1 - len(survived) / len(told)
    if json:
        print_json({"found": share, "mutations": told})
    else:
        click.echo(f"tests found {len(told) - len(survived)} of {len(told)} mutations")
    if share < FLOOR:
        raise Failed("the tests of the files do not find:\n" + "\n".join(survived))
