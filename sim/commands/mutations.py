"""`shotveil lab mutations`: changes of the code that its tests should find."""

from __future__ import annotations

from collections.abc import Iterable

import click

from shotveil.host.commands.options import OneOf, json_option, seed_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.extras import needs
from shotveil.models.common.checks import RangeError
from shotveil.sim.commands._options import EXTRA

FLOOR = 0.95  # share of the chosen mutations that tests have to find
DRAWN_FLOOR = 0.90  # share of those made by rule, some of which change nothing that matters


def groups() -> Iterable[str]:
    """The names of what mutations by rule are drawn from."""
    with needs(EXTRA):
        from shotveil.sim.proofs.mutants import GROUPS
    return GROUPS


@click.command()
@click.argument("file", default="")
@click.option(
    "--drawn",
    type=int,
    show_default="none",
    help="Number of mutations that are made by rule and drawn at random from --group, in place of "
    "the chosen ones (1 or more).",
)
@click.option(
    "--group",
    type=OneOf("group", groups),
    show_default="both",
    help="What --drawn changes: leakage, ledger, verification and parties, or the gateware and the "
    "models that it follows (evidence or gateware).",
)
@seed_option
@json_option
def mutations(file: str, drawn: int | None, group: str | None, seed: int, json: bool) -> None:
    """Plant small changes in the code, and see whether the tests of the file find them.

    All are tried unless a part of a file's path is given, such as drive/dac. This needs a checkout.
    The changes are those in sim/proofs/mutations.py, of gateware and models. With --drawn each
    changes one operator, comparison or number; those that change nothing are told with the reason,
    and do not count. Outside --group gateware, the tests of the whole room are tried where those of
    the file find nothing. Ends with exit code 1 where tests find fewer than 95%, and with --drawn
    fewer than 90%, or 95% of --group gateware.
    """
    with needs(EXTRA):
        from shotveil.sim.proofs import equivalents, mutants
        from shotveil.sim.proofs.mutations import named, outcomes

    if drawn is None and group is not None:
        raise RangeError("group needs --drawn: the chosen mutations have none")
    chosen = named(file) if drawn is None else mutants.drawn(file, drawn, seed, group)
    same = {str(each): why for each in chosen if (why := equivalents.reason(each))}
    chosen = [each for each in chosen if str(each) not in same]
    told: list[dict[str, object]] = []
    survived = []
    if not json:
        for each, why in same.items():
            click.echo(f"equivalent {each}: {why}")
    rooms = drawn is not None and group != "gateware"
    for number, outcome in enumerate(outcomes(chosen, rooms=rooms), 1):
        told.append({"mutation": str(outcome.mutation), "found": outcome.found})
        if not json:
            result = "found" if outcome.found else "SURVIVED"
            click.echo(f"{number}/{len(chosen)} {result:<9} {outcome.mutation}")
        if not outcome.found:
            survived.append(str(outcome.mutation))
    share = 1 - len(survived) / max(len(told), 1)
    if json:
        print_json({"found": share, "mutations": told, "equivalent": same})
    else:
        click.echo(f"tests found {len(told) - len(survived)} of {len(told)} mutations")
    if share < (FLOOR if drawn is None or group == "gateware" else DRAWN_FLOOR):
        raise Failed("the tests of the files do not find:\n" + "\n".join(survived))
