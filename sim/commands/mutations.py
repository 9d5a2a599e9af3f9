"""`shotveil lab mutations`: changes of the code that its tests should find."""

from __future__ import annotations

import click

from shotveil.host.commands.options import json_option, seed_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA

FLOOR = 0.95  # share of the chosen mutations that tests have to find
DRAWN_FLOOR = 0.90  # share of those made by rule, some of which change nothing that matters


@click.command()
@click.argument("file", default="")
@click.option(
    "--drawn",
    type=int,
    show_default="none",
    help="Number of mutations that are made by rule and drawn at random from leakage, ledger, "
    "verification, parties and the gateware's models, in place of the chosen ones (1 or more).",
)
@seed_option
@json_option
def mutations(file: str, drawn: int | None, seed: int, json: bool) -> None:
    """Plant small changes in the code, and see whether the tests of the file find them.

    All are tried unless a part of a file's path is given, such as drive/dac. This needs a checkout.
    The changes are those in sim/proofs/mutations.py, of gateware and models. With --drawn each
    changes one operator, comparison or number, and the tests of the whole room are tried where
    those of the file find nothing. Ends with exit code 1 where tests find fewer than
    95%, and with --drawn fewer than 90%.
    """
    with needs(EXTRA):
        from shotveil.sim.proofs import mutants
        from shotveil.sim.proofs.mutations import named, outcomes

    chosen = named(file) if drawn is None else mutants.drawn(file, drawn, seed)
    told, survived = [], []
    for number, outcome in enumerate(outcomes(chosen, rooms=drawn is not None), 1):
        told.append({"mutation": str(outcome.mutation), "found": outcome.found})
        if not json:
            result = "found" if outcome.found else "SURVIVED"
            click.echo(f"{number}/{len(chosen)} {result:<9} {outcome.mutation}")
        if not outcome.found:
            survived.append(str(outcome.mutation))
    share = 1 - len(survived) / len(told)
    if json:
        print_json({"found": share, "mutations": told})
    else:
        click.echo(f"tests found {len(told) - len(survived)} of {len(told)} mutations")
    if share < (FLOOR if drawn is None else DRAWN_FLOOR):
        raise Failed("the tests of the files do not find:\n" + "\n".join(survived))
