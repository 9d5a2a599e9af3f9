"""`shotveil lab majorant`: the table of planes behind the weight bound `holevo`."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import FILE, json_option
from shotveil.host.commands.output import print_json


@click.command()
@click.option(
    "--out",
    type=FILE,
    default=None,
    help="File that gets the table; by default the one that this installation uses.",
)
@json_option
def majorant(out: Path | None, json: bool) -> None:
    """Work out the least concave majorant of the Holevo bound anew.

    The table that comes with Shotveil was made by this command, which takes some minutes.
    """
    from shotveil.host.commands.show import progress_bar
    from shotveil.host.leakage.majorant import TABLE, make_plane_table, save_plane_table

    path = TABLE if out is None else out
    with progress_bar("planes") as progress:
        table = make_plane_table(progress)
    save_plane_table(table, path)
    planes = table.planes.size // 4
    if json:
        print_json({"table": str(path), "planes": planes})
    else:
        click.echo(f"{path}: {planes:,} planes")
