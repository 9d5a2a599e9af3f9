"""`shotveil lab digitiser-report`: measured figures of the digitiser."""

from __future__ import annotations

import click

from shotveil.host.commands.options import json_option
from shotveil.host.commands.output import print_report
from shotveil.host.extras import needs
from shotveil.models.common.checks import require
from shotveil.sim.commands._options import EXTRA


@click.command()
@click.option(
    "--sessions",
    type=int,
    help="Measure the bias of the estimates over so many sessions of each receiver, each of which "
    "takes some seconds (1 or more).",
)
@click.option(
    "--vacuum",
    type=int,
    help="Search for false frames in so many samples of vacuum (1 or more).",
)
@json_option
def digitiser_report(sessions: int | None, vacuum: int | None, json: bool) -> None:
    """Measure accuracy, excess noise, acquisition and lock of the digitiser.

    An option measures what it names instead. With --json the lines of each part are given as a
    list.
    """
    for name, value in (("sessions", sessions), ("vacuum", vacuum)):
        if value is not None:
            require(name, value, at_least=1)
    with needs(EXTRA):
        from shotveil.sim.figures.digitiser_report import report

    print_report(report(sessions, vacuum), json)
