"""`shotveil doctor`: what is right with this machine, what is not, and how to mend it."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import FILE, FOLDER, json_option
from shotveil.host.commands.output import Failed, print_json


@click.command()
@click.option("--keys", type=FOLDER, help="Folder of keys to look at.")
@click.option("--ledger", type=FILE, help="Ledger to look at.")
@click.option(
    "--address",
    multiple=True,
    metavar="HOST:PORT",
    help="Address that a party is to listen on; the option may be repeated.",
)
@json_option
def doctor(keys: Path | None, ledger: Path | None, address: tuple[str, ...], json: bool) -> None:
    """Look at this machine, and say one line for each thing that matters to Shotveil.

    A line begins with `ok`, with `note` for something that only some commands need, or with `BAD`.
    The exit code is 1 if there is a `BAD`. Nothing is changed.
    """
    from shotveil.host.design.machine import findings

    found = findings(keys, ledger, address)
    bad = [one.what for one in found if one.state == "BAD"]
    if json:
        print_json({"good": not bad, "findings": [one._asdict() for one in found]})
    else:
        for one in found:
            mend = f"; {one.mend}" if one.mend else ""
            click.echo(f"{one.state:4}  {one.what}: {one.said}{mend}")
    if bad:
        raise Failed(f"{len(bad)} of {len(found)} checks are bad: {', '.join(bad)}")
