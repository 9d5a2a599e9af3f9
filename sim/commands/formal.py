"""`shotveil lab formal`: proofs of the gateware."""

from __future__ import annotations

from collections.abc import Iterable

import click

from shotveil.host.commands.options import OneOf, json_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA


def names() -> Iterable[str]:
    """The names of all proofs."""
    with needs(EXTRA):
        from shotveil.sim.proofs.formal import proofs
    return proofs()


@click.command()
@click.argument("proofs", nargs=-1, type=OneOf("proof", names), metavar="[PROOF]...")
@json_option
def formal(proofs: tuple[str, ...], json: bool) -> None:
    """Prove what the gateware promises, and that each proof can fail.

    All proofs are done unless some are named. Each holds for all inputs and times, what it covers
    can happen, and every planted bug is found. Ends with exit code 1 where that is not so.
    """
    with needs(EXTRA):
        from shotveil.sim.proofs.formal import answers

    bad, told = [], []
    for name, question, outcome in answers(proofs):
        told.append(
            {
                "proof": name,
                "question": question,
                "yes": outcome.holds,
                "seconds": outcome.seconds,
            }
        )
        if not json:
            said = "yes" if outcome.holds else "NO"
            click.echo(f"{name:<16} {said:<4} {question} ({outcome.seconds:.1f} s)")
        if not outcome.holds:
            bad.append(f"{name}: not {question}\n{outcome.log[-3000:]}")
    if json:
        print_json({"passed": not bad, "answers": told})
    if bad:
        raise Failed("\n".join(bad))
