"""`shotveil lab screenshots`: HTML reports as browsers show them."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import FILE, FOLDER, json_option, out_option
from shotveil.host.commands.output import Failed, print_json


@click.command()
@click.argument("pages", nargs=-1, required=True, type=FILE)
@out_option("reports/screenshots", "Folder that the PNG files are written to.", FOLDER)
@json_option
def screenshots(pages: tuple[Path, ...], out: Path, json: bool) -> None:
    """Take pictures of HTML reports to look at: PAGES at 390, 800 and 1400 px, light and dark.

    This needs the extra `screenshots`, and Chromium. Ends with exit code 1 where a page
    is wider than the window.
    """
    from shotveil.sim.figures.screenshots import screenshots as taken

    shots = []
    for shot in taken(pages, out):
        shots.append(shot)
        if not json:
            click.echo(str(shot.path))
    if json:
        print_json({"files": {str(shot.path): shot.beyond for shot in shots}})
    wide = [f"{shot.path} is {shot.beyond} px too wide" for shot in shots if shot.beyond]
    if wide:
        raise Failed("\n".join(wide))
