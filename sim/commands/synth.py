"""`shotveil lab synth`: size and clock of the gateware against the committed figures."""

from __future__ import annotations

from collections.abc import Iterable

import click

from shotveil.host.commands.options import OneOf, json_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA


def names() -> Iterable[str]:
    """The names of all blocks and tops."""
    with needs(EXTRA):
        from shotveil.sim.synthesis.figures import targets
    return targets()


@click.command()
@click.argument("blocks", nargs=-1, type=OneOf("block", names), metavar="[BLOCK]...")
@click.option(
    "--update",
    is_flag=True,
    help="Write the figures to sim/synthesis/synthesis.json and docs/synthesis.md.",
)
@json_option
def synth(blocks: tuple[str, ...], update: bool, json: bool) -> None:
    """Measure size and clock of blocks and tops, and compare them with the committed ones.

    All are measured unless some are named, such as drive/dac or "node server". Ends with exit code
    1 where a figure is worse than the committed one by more than the slack, or below its floor.
    """
    with needs(EXTRA):
        from shotveil.sim.synthesis import figures

    found = figures.measure_all(blocks, update, (lambda line: None) if json else click.echo)
    if json:
        print_json(
            {
                "figures": found.figures,
                "worse": found.regressions,
                "below_floor": found.missed,
                "updated": update,
            }
        )
    elif update:
        click.echo(f"wrote {figures.SYNTHESIS_FIGURES} and {figures.PAGE}")
    elif found.tools:
        click.echo(found.tools)
    if found.regressions:
        lines = "\n".join(found.regressions)
        raise Failed(f"worse than the committed figures by more than the slack:\n{lines}")
    if found.missed:
        raise Failed("below the floor:\n" + "\n".join(found.missed))
