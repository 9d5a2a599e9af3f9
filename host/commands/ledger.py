"""`shotveil ledger`: what has left of the networks in a ledger, and whether the record is whole."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from shotveil.host.commands.options import json_option, print_json
from shotveil.host.ledger.accounts import SENSES
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.event_log import EventLog, Head
from shotveil.host.ledger.odometer import history, plot, read_accounts, report
from shotveil.models.common.checks import RangeError

PLOT_FORMATS = (".png", ".svg", ".pdf")

file_argument = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def ledger() -> None:
    """What has left of a network, over all clients and sessions, and what may still leave."""


@ledger.command()
@file_argument
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Draw it over time there.")
@click.option("--network", help="Which to draw, by name or digest. [default: the only one]")
@json_option
def show(file: Path, picture: Path | None, network: str | None, as_json: bool) -> None:
    """Totals declared, estimated and certified, and what each budget still allows."""
    accounts = read_accounts(file)
    networks = report(accounts)
    if picture is not None:
        if picture.suffix not in PLOT_FORMATS:
            raise RangeError(f"plot = {picture}; allowed: a name in {', '.join(PLOT_FORMATS)}")
        if network is None and len(networks) == 1:
            network = networks[0]["digest"]
        digest, account = accounts.find(network or "")
        title = f"{account.name}: all clients together"
        plot(history(file, digest), account.budget, title, picture)
    if as_json:
        print_json({"networks": networks})
        return
    console = Console(highlight=False)
    for entry in networks:
        bits = entry["leakage_bits"]
        budget = entry["budget"]
        console.print(
            f"[bold]{entry['network']}[/bold] {entry['digest'][:16]}: "
            f"{entry['row_copies_sent']:,} rows sent in {entry['sessions']} sessions, "
            f"{entry['row_copies_never_verified']:,} of them never verified"
        )
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("leaked, bits per weight", *SENSES, "budget"):
            table.add_column(heading)
        limit = f"{budget['bits']:g} ({budget['sense']})" if budget else "none"
        table.add_row("  all clients", *(f"{bits[sense]:.5g}" for sense in SENSES), limit)
        left = entry["remaining_inferences"]
        if budget:
            texts = ("unknown" if left[s] is None else f"{left[s]:,}" for s in SENSES)
            table.add_row("  inferences left", *texts, "")
        for client in entry["clients"]:
            own = client["budget"]
            table.add_row(
                f"  client {client['client']}",
                *(f"{client['leakage_bits'][sense]:.5g}" for sense in SENSES),
                f"{own['bits']:g} ({own['sense']})" if own else "none",
            )
        console.print(table)
        if entry["disclosed_bits"]:
            told = entry["disclosed_bits"] / entry["weights"]
            console.print(f"of each total {told:.3g} are for the layers' scales and for decoys")
        console.print(
            f"certified totals fail with probability ≤ {entry['failure_probability']:.3g}"
        )


@ledger.command()
@file_argument
@click.option("--head", help="A head printed earlier, which must still be part of the chain.")
def verify(file: Path, head: str | None) -> None:
    """Find any record that was edited, removed or re-ordered."""
    known = Head.parse(head) if head is not None else None
    read_accounts(file)
    with EventLog(file, writable=False) as log:
        found = log.verify(known)
    click.echo(f"{file}: {found.sequence} events, unbroken; head {found}")


@ledger.command()
@file_argument
@click.option("--network", required=True, help="By name or digest.")
@click.option("--bits", type=float, help="Per real weight. [default: no limit]")
@click.option("--sense", type=click.Choice(["declared", "certified"]), default="declared")
@click.option("--client", help="For one client only.")
@click.option("--each-client", is_flag=True, help="For each client without a limit of its own.")
def budget(
    file: Path, network: str, bits: float | None, sense: str, client: str | None, each_client: bool
) -> None:
    """Set, raise or lift a budget, while no server has the ledger open."""
    if client is not None and each_client:
        raise RangeError("both --client and --each-client given; allowed: one of them")
    if client == "":
        raise RangeError("client = '' is empty; allowed: a name")
    if not file.is_file():
        raise RangeError(f"ledger {file} is not found; allowed: a file that Shotveil wrote")
    with BudgetFilter(file) as accounts:
        digest, account = accounts.accounts.find(network)
        which = "" if each_client else client
        accounts.set_budget(
            digest, bits, "certified" if sense == "certified" else "declared", which
        )
        whose = "each client" if each_client else f"client {client}" if client else "all clients"
    limit = "none" if bits is None else f"{bits:g} bits per weight ({sense})"
    click.echo(f"{account.name}: budget of {whose} is {limit}")
