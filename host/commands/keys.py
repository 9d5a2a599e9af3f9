"""`shotveil keys`: a private authority and certificates for server, link and clients."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import FOLDER, json_option
from shotveil.host.commands.output import print_json
from shotveil.host.commands.parties import require_extra


@click.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--client",
    multiple=True,
    metavar="NAME",
    help="Name of a client to make a certificate for; the option may be repeated.",
)
@click.option(
    "--days", type=int, default=365, help="Days until the certificates expire (from 1 to 3650)."
)
@json_option
def keys(folder: Path, client: tuple[str, ...], days: int, json: bool) -> None:
    """Make keys and certificates in FOLDER, as far as they are missing.

    Give each party the file authority.pem and the two files of its own name.
    """
    require_extra()
    from shotveil.host.parties.keys import make_keys

    made = [str(path) for path in make_keys(folder, client, days)]
    if json:
        print_json({"files": made})
        return
    for path in made:
        click.echo(path)
