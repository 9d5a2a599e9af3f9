"""`shotveil certificate`: certificates for keys that never leave their owner, and revocation."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import FILE, FOLDER, json_option
from shotveil.host.commands.output import print_json
from shotveil.host.commands.parties import require_extra


@click.group()
def certificate() -> None:
    """Ask for a client's certificate, sign what was asked for, or revoke a certificate.

    For a start, `shotveil keys` makes all keys in one place; here a client's key stays with it.
    """


@certificate.command()
@click.argument("folder", type=FOLDER)
@click.option("--client", metavar="NAME", required=True, help="Name of the client.")
@json_option
def request(folder: Path, client: str, json: bool) -> None:
    """Make a client's key in FOLDER, and a request to send to the owner of the authority.

    What comes back goes into FOLDER as client-NAME.pem, with authority.pem. For a new key later,
    do the same in a new folder; both certificates are accepted until the old one ends or is
    revoked.
    """
    require_extra()
    from shotveil.host.parties.certificates import make_request

    made = make_request(folder, client)
    if json:
        print_json({"request": str(made), "key": str(made.with_suffix(".key"))})
        return
    click.echo(f"{made}: send this; keep {made.with_suffix('.key')}")


@certificate.command()
@click.argument("folder", type=FOLDER)
@click.option("--request", type=FILE, required=True, help="Request that the client sent.")
@click.option("--client", metavar="NAME", required=True, help="Name that it may bear.")
@click.option("--out", type=FILE, required=True, help="File to write, with a name that is free.")
@click.option(
    "--days", type=int, default=365, help="Days until the certificate expires (from 1 to 3650)."
)
@json_option
def sign(folder: Path, request: Path, client: str, out: Path, days: int, json: bool) -> None:
    """Certify the key of a client's request, by the authority in FOLDER.

    Make sure by another way than the one the request came by that it is this client's.
    """
    require_extra()
    from shotveil.host.parties.certificates import sign_request

    made = sign_request(folder, request, client, out, days)
    if json:
        print_json({"certificate": str(made), "client": client})
        return
    click.echo(f"{made}: for client {client}, send it back with authority.pem")


@certificate.command()
@click.argument("folder", type=FOLDER)
@click.option("--certificate", type=FILE, required=True, help="File with the certificate.")
@json_option
def revoke(folder: Path, certificate: Path, json: bool) -> None:
    """Put a certificate on the list revoked.pem of the authority in FOLDER.

    Copy the list to the folder of keys of each server. A server that runs reads it anew, and
    refuses the certificate from the next request on.
    """
    require_extra()
    from shotveil.host.parties.certificates import REVOKED
    from shotveil.host.parties.certificates import revoke as put_on_list

    count = put_on_list(folder, certificate)
    if json:
        print_json({"list": str(folder / REVOKED), "revoked": count})
        return
    click.echo(f"{folder / REVOKED}: {count} revoked")
