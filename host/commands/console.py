"""`shotveil console`: a bench, or a party's books, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shotveil.host.commands.options import FILE, LEDGER, URL, json_option
from shotveil.host.commands.output import print_event
from shotveil.models.common.checks import RangeError, require

if TYPE_CHECKING:
    from shotveil.host.console.source import ConsoleSource
    from shotveil.host.ledger.stores import Address


@click.command()
@click.argument("urls", nargs=-1, type=URL, metavar="[URL]...")
@click.option(
    "--host",
    default="127.0.0.1",
    metavar="ADDRESS",
    help="Address of this machine to listen on; others than 127.0.0.1 can be reached from outside.",
)
@click.option(
    "--port",
    type=int,
    default=8470,
    help="Port to listen on; 0 takes one that is free (from 0 to 65535).",
)
@click.option(
    "--full-scale",
    type=float,
    default=24.0,
    help="Quadrature of the largest symbol at the node's output, from a power meter, in square "
    "roots of shot-noise units (above 0).",
)
@click.option(
    "--transmittance",
    type=float,
    default=0.96,
    help="Transmittance that the light is declared to have (above 0, at most 1).",
)
@click.option(
    "--excess-noise",
    type=float,
    default=0.003,
    help="Excess noise that the light is declared to have, in shot-noise units (0 or more).",
)
@click.option(
    "--efficiency",
    type=float,
    default=1.0,
    help="Efficiency of the node's detectors (above 0, at most 1).",
)
@click.option(
    "--ledger",
    type=LEDGER,
    help="Ledger of a server, a file or a PostgreSQL database, whose page is shown in place of "
    "nodes.",
)
@click.option(
    "--data-ledger", type=FILE, help="Ledger of a client, whose page is shown in place of nodes."
)
@click.option("--receipts", type=FILE, help="Receipts that a client keeps, for its page.")
@click.option(
    "--journal",
    type=FILE,
    help="Journal that `shotveil ask --journal` writes, for a client's page.",
)
@click.option("--record", type=FILE, help="New file that the run is recorded in.")
@click.option("--replay", type=FILE, help="Run to show, which --record wrote, in place of nodes.")
@json_option
def console(
    urls: tuple[str, ...],
    host: str,
    port: int,
    full_scale: float,
    transmittance: float,
    excess_noise: float,
    efficiency: float,
    ledger: Address | None,
    data_ledger: Path | None,
    receipts: Path | None,
    journal: Path | None,
    record: Path | None,
    replay: Path | None,
    json: bool,
) -> None:
    """Show a bench in the browser, or what a party knows, until the console is stopped.

    A bench is one node or two at URLs, as `shotveil device` opens them; light:server is a node with
    simulated light. With --ledger the page is a server's, and with --data-ledger, --receipts or
    --journal a client's: nobody's page shows what only the other party knows. The parties' files
    are only read, also while `shotveil serve` and `shotveil ask` write them.

    The address that is printed holds a token, without which nobody gets in.

    With --json one object is printed when the console is ready and one when it has stopped, each
    on a line of its own.
    """
    from shotveil.host.extras import needs

    with needs("console"):
        from shotveil.host.console.server import serve

    require("port", port, at_least=0, at_most=65535)
    source = _source(
        urls,
        (full_scale, transmittance, excess_noise, efficiency),
        ledger,
        (data_ledger, receipts, journal),
        replay,
    )

    def ready(address: str) -> None:
        if json:
            print_event("ready", console=address)
        else:
            click.echo(f"open {address}")

    try:
        serve(source, host, port, ready, record)
    finally:
        source.close()
    if json:
        print_event("stopped")
    else:
        click.echo()


def _source(
    urls: tuple[str, ...],
    light: tuple[float, float, float, float],
    ledger: Address | None,
    client: tuple[Path | None, Path | None, Path | None],
    replay: Path | None,
) -> ConsoleSource:
    """Return what is to be shown. Raises `RangeError` unless it is exactly one thing."""
    given = {
        "nodes": bool(urls),
        "--ledger": ledger is not None,
        "files of a client": any(path is not None for path in client),
        "--replay": replay is not None,
    }
    named = [name for name, there in given.items() if there]
    if len(named) != 1:
        what = " and ".join(named) if named else "nothing to show"
        raise RangeError(f"{what} given; allowed: one of {', '.join(given)}")
    if ledger is not None:
        from shotveil.host.console.server_books import ServerBooks

        return ServerBooks(ledger)
    if replay is not None:
        from shotveil.host.console.replay import RunReplay

        return RunReplay(replay)
    if not urls:
        from shotveil.host.console.client_books import ClientBooks

        return ClientBooks(*client)
    from shotveil.host.console.bench import Bench
    from shotveil.host.console.probe_light import BenchSettings
    from shotveil.host.leakage.certificate import ChannelEstimate

    full_scale, transmittance, excess_noise, efficiency = light
    declared = ChannelEstimate(transmittance, excess_noise)
    return Bench(urls, BenchSettings(full_scale, declared, efficiency))
