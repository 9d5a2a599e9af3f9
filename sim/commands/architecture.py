"""`shotveil lab architecture`: the picture and the table of rooms, from the sources."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import FOLDER, json_option
from shotveil.host.commands.output import print_json


@click.command()
@click.option(
    "--checkout",
    type=FOLDER,
    default=Path(),
    help="Folder of a checkout of Shotveil, whose docs/ get the picture and the table.",
)
@json_option
def architecture(checkout: Path, json: bool) -> None:
    """Draw the rooms of a checkout and what they import, for docs/architecture.md.

    The picture docs/architecture.svg and the table of rooms on the page are made from the sources
    anew; a test holds both against them.
    """
    from shotveil.models.common.checks import RangeError
    from shotveil.models.common.files import write_atomically
    from shotveil.sim.figures import architecture as house

    page = checkout / "docs" / "architecture.md"
    if not page.exists():
        raise RangeError(f"checkout = {checkout} has no docs/architecture.md; allowed: a checkout")
    picture = page.with_suffix(".svg")
    write_atomically(picture, house.picture(checkout))
    write_atomically(page, house.page(page.read_text(encoding="utf-8"), checkout))
    if json:
        print_json(
            {
                "picture": str(picture),
                "page": str(page),
                "rooms": {
                    name: sorted(room.imports) for name, room in house.rooms(checkout).items()
                },
            }
        )
    else:
        click.echo(f"{picture}\n{page}")
