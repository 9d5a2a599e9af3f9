"""`shotveil lab drive-report`: measured figures of the modulator drive."""

from __future__ import annotations

import click

from shotveil.host.commands.options import json_option
from shotveil.host.commands.output import print_report
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA


@click.command()
@json_option
def drive_report(json: bool) -> None:
    """Measure excess noise, rounding errors and speeds of the modulator drive.

    With --json the lines of each part are given as a list.
    """
    with needs(EXTRA):
        from shotveil.sim.figures.drive_report import report

    print_report(report(), json)
