"""`shotveil keys`: a private authority and certificates for server, link and clients."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.parties import require_extra


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--client", "clients", multiple=True, help="Name of a client; may be repeated.")
@click.option("--days", type=int, default=365, show_default=True, help="Until they expire.")
def keys(folder: Path, clients: tuple[str, ...], days: int) -> None:
    """Make what is missing in FOLDER. Give each party authority.pem and its own two files."""
    require_extra()
    from shotveil.host.parties.keys import make_keys

    for path in make_keys(folder, clients, days):
        click.echo(path)
