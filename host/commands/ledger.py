"""`shotveil ledger`: what has leaked of the networks in a ledger, and whether it is intact."""

from __future__ import annotations

from pathlib import Path

import click

from shotveil.host.commands.options import FILE, json_option, sense_option
from shotveil.host.commands.output import print_json
from shotveil.models.common.checks import RangeError

PLOT_FORMATS = (".png", ".svg", ".pdf")

file_argument = click.argument("file", type=FILE)


@click.group()
def ledger() -> None:
    """Look at a server's ledger: what has leaked of its networks, and what may still leak."""


@ledger.command()
@file_argument
@click.option(
    "--plot",
    type=FILE,
    help="Picture of the leakage over time to write, with a name in .png, .svg or .pdf.",
)
@click.option(
    "--network",
    metavar="NAME",
    show_default="the only one",
    help="Network to draw in the picture, by its name or its digest.",
)
@json_option
def show(file: Path, plot: Path | None, network: str | None, json: bool) -> None:
    """Show what has leaked according to the ledger FILE, and what each budget still allows.

    Totals are given as declared by the settings, as estimated from returned light, and as
    certified, which holds with the failure probability that is printed.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from shotveil.host.ledger import odometer
    from shotveil.host.ledger.accounts import SENSES

    accounts = odometer.read_accounts(file)
    networks = odometer.report(accounts)
    if plot is not None:
        if plot.suffix not in PLOT_FORMATS:
            raise RangeError(f"plot = {plot}; allowed: a name in {', '.join(PLOT_FORMATS)}")
        if network is None and len(networks) == 1:
            network = networks[0]["digest"]
        digest, account = accounts.find(network or "")
        title = f"{account.name}: all clients together"
        odometer.plot(odometer.history(file, digest), account.budget, title, plot)
    if json:
        print_json({"networks": networks})
        return
    console = Console(highlight=False)
    for entry in networks:
        bits = entry["leakage_bits"]
        budget = entry["budget"]
        console.print(
            f"[bold]{escape(entry['network'])}[/bold] {entry['digest'][:16]}: "
            f"{entry['row_copies_sent']:,} rows sent in {entry['sessions']} sessions, "
            f"{entry['row_copies_never_verified']:,} of them never verified"
        )
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("leaked, bits per weight", *SENSES, "budget"):
            table.add_column(heading)
        limit = f"{budget['bits']:g} ({budget['sense']})" if budget else "none"
        table.add_row("  all clients", *(f"{bits[sense]:.5g}" for sense in SENSES), limit)
        table.add_row(
            "  bits of all weights",
            *(f"{entry['total_bits'][sense]:,.6g}" for sense in SENSES),
            f"{budget['bits'] * entry['weights']:,.6g}" if budget else "",
        )
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
        for client in entry["clients"]:
            if client["refused"]:
                console.print(
                    f"client {escape(client['client'])} is refused: {escape(client['refused'])}"
                )
        if entry["disclosed_bits"]:
            told = entry["disclosed_bits"] / entry["weights"]
            console.print(f"of each total {told:.3g} are for the layers' scales and for decoys")
        console.print(
            f"certified totals fail with probability ≤ {entry['failure_probability']:.3g}"
        )


@ledger.command()
@file_argument
@click.option(
    "--head",
    metavar="HEAD",
    help="Head that was printed earlier and that must still be part of the chain.",
)
@json_option
def verify(file: Path, head: str | None, json: bool) -> None:
    """Check the ledger FILE for events that were edited, removed or put in another order.

    Keep the head that is printed: if it is given as --head later, the command checks that no event
    before it is missing.
    """
    from shotveil.host.ledger.event_log import EventLog, Head
    from shotveil.host.ledger.odometer import read_accounts

    known = Head.parse(head) if head is not None else None
    read_accounts(file)
    with EventLog(file, writable=False) as log:
        found = log.verify(known)
    if json:
        print_json({"file": str(file), "events": found.sequence, "head": str(found)})
        return
    click.echo(f"{file}: {found.sequence} events, unbroken; head {found}")


@ledger.command()
@file_argument
@click.option(
    "--network",
    metavar="NAME",
    required=True,
    help="Network that the budget is for, by its name or its digest.",
)
@click.option(
    "--bits",
    type=float,
    show_default="no limit",
    help="Most that may leak of each weight over all time, in bits (0 or more).",
)
@sense_option
@click.option("--client", metavar="NAME", help="Client that alone is limited, by its name.")
@click.option("--each-client", is_flag=True, help="Limit each client that has no limit of its own.")
@json_option
def budget(
    file: Path,
    network: str,
    bits: float | None,
    sense: str,
    client: str | None,
    each_client: bool,
    json: bool,
) -> None:
    """Set, raise or lift a budget in the ledger FILE, while no server has it open.

    The budget is that of all clients together, unless --client or --each-client is given.
    """
    from shotveil.host.ledger.budget import BudgetFilter

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
    if json:
        print_json(
            {
                "network": account.name,
                "digest": digest,
                "whose": whose,
                "bits": bits,
                "sense": sense,
            }
        )
        return
    limit = "none" if bits is None else f"{bits:g} bits per weight ({sense})"
    click.echo(f"{account.name}: budget of {whose} is {limit}")


@ledger.command()
@file_argument
@click.option("--client", metavar="NAME", required=True, help="Client to admit again, by its name.")
@json_option
def readmit(file: Path, client: str, json: bool) -> None:
    """Admit a refused client again in the ledger FILE, while no server has it open.

    Verification refuses a client for good, on all networks. Readmitting is an event in the ledger.
    The evidence on the client then begins anew, and what has leaked to it stays charged.
    """
    from shotveil.host.ledger.budget import BudgetFilter

    if not file.is_file():
        raise RangeError(f"ledger {file} is not found; allowed: a file that Shotveil wrote")
    with BudgetFilter(file) as accounts:
        reason = accounts.refusal(client)
        accounts.readmit(client)
    if json:
        print_json({"client": client, "reason": reason})
        return
    click.echo(f"client {client} is admitted again; it was refused: {reason}")
