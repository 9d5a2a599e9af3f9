"""`shotveil results`: measures the tables of results in the README again."""

from __future__ import annotations

import click

from shotveil.host.commands.options import json_option
from shotveil.host.commands.output import print_json


@click.command()
@json_option
def results(json: bool) -> None:
    """Measure the README's tables of results, and print them as Markdown.

    This takes half a minute. Times are those of this machine.
    """
    from shotveil.host.design.results import markdown, measured

    if json:
        print_json(measured())
        return
    for line in markdown():
        click.echo(line)
