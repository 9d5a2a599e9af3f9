"""`shotveil ledger`: what has leaked of the networks in a ledger, and whether it is intact."""

from __future__ import annotations

from dataclasses import asdict
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shotveil.host.commands.options import FILE, FOLDER, LEDGER, json_option, sense_option
from shotveil.host.commands.output import print_json
from shotveil.host.commands.parties import refusals
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile

if TYPE_CHECKING:
    from shotveil.host.ledger.checkpoints import Checkpoint
    from shotveil.host.ledger.event_log import Head
    from shotveil.host.ledger.stores import Address
    from shotveil.host.run.extraction_curve import PossibleClone

RECEIPT_LIMIT = 1 << 24  # bytes
PLOT_FORMATS = (".png", ".svg", ".pdf")

file_argument = click.argument("file", type=LEDGER)


@click.group()
def ledger() -> None:
    """Look at a server's ledger: what has leaked of its networks, and what may still leak."""


def _checkpoints(receipt: Path | None) -> list[Checkpoint]:
    """Return the checkpoints in a file of receipts, one on a line. Raises `RangeError`."""
    from shotveil.host.ledger.checkpoints import Checkpoint

    if receipt is None:
        return []
    lines = ForeignFile("receipt", receipt).read(RECEIPT_LIMIT).decode().splitlines()
    return [Checkpoint.parse(line) for line in lines]


def _print_head(file: Address, head: Head, said: str, json: bool) -> None:
    if json:
        print_json({"file": str(file), "events": head.sequence, "head": str(head)})
        return
    click.echo(f"{file}: {said}; head {head}")


@ledger.command()
@file_argument
@json_option
def init(file: Address, json: bool) -> None:
    """Make a new, empty ledger FILE, and its key FILE.key.

    A ledger is made once, by this command, for all time: `shotveil serve` never makes one. Keep a
    copy of the key in a safe place, and never begin a new ledger for networks that have one.
    """
    from shotveil.host.ledger.stores import make_ledger

    key = make_ledger(file)
    if json:
        print_json({"file": str(file), "key": str(key)})
        return
    click.echo(f"{file}: new, with its key {key}")


@ledger.command()
@file_argument
@click.option("--reason", metavar="TEXT", required=True, help="Why it was moved, for the record.")
@json_option
def adopt(file: Address, reason: str, json: bool) -> None:
    """Accept the ledger FILE in a new place, after it was moved or restored from a copy.

    A server refuses such a file, since it may be an old one: what leaked after it was copied is
    missing. Adopt it only if there is no newer one. Clients that hold a later receipt will still
    refuse it.
    """
    from shotveil.host.ledger.stores import open_log

    with open_log(file, adopt=True) as log:
        log.append("place", {"reason": reason})
        head = log.head
    _print_head(file, head, f"accepted with {head.sequence} events", json)


@ledger.command()
@file_argument
@click.option("--to", type=FILE, required=True, help="File to write, with a name that is free.")
@json_option
def backup(file: Address, to: Path, json: bool) -> None:
    """Copy the ledger FILE, also while a server goes on writing it, and check the copy.

    The key FILE.key is not copied: keep it elsewhere, since it never changes. What leaks after the
    copy was made is missing in it, so copy often, and keep the receipts of clients.
    """
    from shotveil.host.operations.backup import back_up

    with refusals():
        head = back_up(file, to)
    _print_head(to, head, f"{head.sequence} events, unbroken", json)


@ledger.command()
@click.argument("file", type=FILE)
@click.option("--copy", type=FILE, required=True, help="Copy that `ledger backup` wrote.")
@click.option("--reason", metavar="TEXT", required=True, help="Why it is restored, for the record.")
@click.option(
    "--receipt",
    type=FILE,
    help="File with checkpoints, one on a line, that the copy must hold: receipts of clients, or "
    "what `ledger checkpoint` printed.",
)
@json_option
def restore(file: Path, copy: Path, reason: str, receipt: Path | None, json: bool) -> None:
    """Put a copy back as the ledger FILE, which has to be gone, beside its key FILE.key.

    The whole chain of the copy is checked first. What leaked after the copy was made is missing;
    clients that hold a later receipt will refuse the ledger, and --receipt shows it before.
    """
    from shotveil.host.operations.backup import restore as put_back

    with refusals():
        head = put_back(copy, file, reason, _checkpoints(receipt))
    _print_head(file, head, f"restored with {head.sequence} events", json)


@ledger.command()
@file_argument
@click.option("--to", type=LEDGER, required=True, help="New place of the ledger, of either kind.")
@json_option
def move(file: Address, to: Address, json: bool) -> None:
    """Move the ledger FILE into a database of PostgreSQL, or from one into a file.

    A database is postgresql://USER@HOST/DATABASE?key=KEY, where KEY is the file of the ledger's
    key, which is written if it is missing. Events, receipts and checkpoints stay what they are.
    The old ledger ends with an event that says where it went, and servers refuse it.
    """
    from shotveil.host.ledger.migration import move as move_to

    head = move_to(file, to)
    _print_head(to, head, f"moved here with {head.sequence} events", json)


@ledger.command()
@file_argument
@json_option
def upgrade(file: Address, json: bool) -> None:
    """Give the ledger FILE, of an earlier version of Shotveil, the form that this one writes.

    Stop all servers of the ledger first. Its events, receipts and checkpoints stay what they are,
    and the whole chain is checked. Nothing changes where the ledger has that form already.
    """
    from shotveil.host.ledger.stores import upgrade_ledger

    head = upgrade_ledger(file)
    _print_head(file, head, f"of this version, with {head.sequence} events", json)


@ledger.command()
@file_argument
@click.option(
    "--statement",
    type=FILE,
    required=True,
    help="File with what a link stated of light that never left, one JSON object on a line, with "
    "statement, signature and certificate.",
)
@click.option(
    "--keys", type=FOLDER, required=True, help="Folder with the authority that certified the link."
)
@json_option
def settle(file: Address, statement: Path, keys: Path, json: bool) -> None:
    """Take charges back from the ledger FILE, for light that a link states was never sent.

    Each charge that is taken back is an event, which keeps the statement as evidence. Nothing but
    a statement that is signed by a link of the authority in --keys is accepted. A server settles by
    itself what its link can state; this is for statements that the owner got later.
    """
    from shotveil.host.ledger.stores import open_filter
    from shotveil.host.parties.keys import AUTHORITY, PEM_LIMIT
    from shotveil.host.parties.receipts import from_evidence, is_about, require_signed

    authority = ForeignFile("certificate", keys / f"{AUTHORITY}.pem").read(PEM_LIMIT)
    lines = ForeignFile("statement", statement).read(RECEIPT_LIMIT).decode().splitlines()
    settled = 0
    with refusals(), open_filter(file) as accounts:
        for line in lines:
            try:
                kept = loads(line)
            except ValueError:
                raise RangeError(f"{statement} holds a line that is not JSON") from None
            said = from_evidence(kept)
            require_signed(said, authority)
            for reserve in list(accounts.accounts.outstanding.values()):
                if is_about(said, reserve):
                    accounts.settle(reserve.sequence, kept)
                    settled += 1
    if json:
        print_json({"file": str(file), "settled": settled})
        return
    click.echo(f"{file}: {settled} charges taken back, by {len(lines)} statements")


@ledger.command()
@file_argument
@json_option
def checkpoint(file: Address, json: bool) -> None:
    """Print a signed statement of the last event of the ledger FILE, to be published.

    The command `shotveil ledger verify --receipt` compares a ledger with such a statement, as with
    the receipts that clients get. A ledger that was put back as it was earlier lacks the event.
    """
    from shotveil.host.ledger.checkpoints import sign
    from shotveil.host.ledger.stores import open_log

    with open_log(file, writable=False) as log:
        signed = str(sign(log))
    if json:
        print_json({"file": str(file), "checkpoint": loads(signed)})
        return
    click.echo(signed)


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
def show(file: Address, plot: Path | None, network: str | None, json: bool) -> None:
    """Show what has leaked according to the ledger FILE, and what each budget still allows.

    Totals are given as declared by the settings, as estimated from returned light, and as
    certified, which holds with the failure probability that is printed.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from shotveil.host.figures.ledger import leakage_over_time
    from shotveil.host.figures.style import rendered, style
    from shotveil.host.ledger import odometer
    from shotveil.host.ledger.accounts import SENSES
    from shotveil.host.run.extraction_curve import PossibleClone
    from shotveil.models.common.files import write_atomically

    accounts = odometer.read_accounts(file)
    networks = odometer.report(accounts)
    for entry in networks:
        clone = _clone(entry)
        entry["extraction"] = None if clone is None else asdict(clone)
    if plot is not None:
        if plot.suffix not in PLOT_FORMATS:
            raise RangeError(f"plot = {plot}; allowed: a name in {', '.join(PLOT_FORMATS)}")
        if network is None and len(networks) == 1:
            network = networks[0]["digest"]
        digest, account = accounts.find(network or "")
        (entry,) = (each for each in networks if each["digest"] == digest)
        sense = account.budget.sense if account.budget else "declared"
        with style():
            moments = odometer.history(file, digest, sense=sense)
            figure = leakage_over_time(
                [moment.time for moment in moments],
                [getattr(moment, sense) for moment in moments],
                [moment.in_flight for moment in moments],
                sense=sense,
                budget=account.budget.bits if account.budget else None,
                weights=entry["weights"],
                inferences_left=entry["remaining_inferences"][sense],
                title=f"{account.name}: all clients together",
            )
            write_atomically(plot, rendered(figure, plot.suffix[1:]))
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
        once = _one_inference(entry)
        if once is not None:
            table.add_row("  one inference", f"{once:.5g}", "", "", "")
            table.add_row("    in all", f"{once * entry['weights']:,.6g}", "", "", "")
        for number, layer in enumerate(entry["layers"], 1):
            bits, total = layer["leakage_bits"], layer["total_bits"]
            table.add_row(f"  layer {number}", *(f"{bits[sense]:.5g}" for sense in SENSES), "")
            table.add_row("    in all", *(f"{total[sense]:,.6g}" for sense in SENSES), "")
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
        if entry["budget_raised"]:
            console.print(f"budgets were raised {entry['budget_raised']} times")
        for member in entry["networks"][1:]:
            console.print(f"also charged here: {escape(member['network'])} {member['digest'][:16]}")
        if entry["extraction"]:
            console.print(f"by plain use, {PossibleClone(**entry['extraction'])}")
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


def _one_inference(entry: dict[str, Any]) -> float | None:
    """Return the declared bits per weight of one inference with the last session's light."""
    from shotveil.host.leakage.catalogue import WEIGHT_BOUND, WEIGHT_BOUNDS

    if not entry["light"]:
        return None
    total = sum(
        layer["rows"]
        * layer["columns"]
        * float(
            WEIGHT_BOUNDS[WEIGHT_BOUND](
                1, light["modulation_variance"], light["transmittance"], light["excess_noise"]
            )
        )
        for light, layer in zip(entry["light"], entry["layers"], strict=True)
    )
    return float(total / entry["weights"])


def _clone(entry: dict[str, Any]) -> PossibleClone | None:
    """Return the clone that is possible after all inferences in a network's account."""
    from shotveil.host.design.clone_budget import clone_of_light
    from shotveil.models.link.encoding import modes_of

    rows = sum(layer["rows"] for layer in entry["layers"])
    inferences = -(-entry["row_copies_sent"] // rows)
    if not inferences or not entry["light"]:
        return None
    light = [
        (each["modulation_variance"], each["excess_noise"], modes_of(layer["columns"]))
        for each, layer in zip(entry["light"], entry["layers"], strict=True)
    ]
    return clone_of_light(entry["digest"], inferences, light)


@ledger.command()
@file_argument
@click.option(
    "--head",
    metavar="HEAD",
    help="Head that was printed earlier and that must still be part of the chain.",
)
@click.option(
    "--receipt",
    type=FILE,
    help="File with checkpoints, one on a line, that the ledger must hold: receipts of clients, or "
    "what `ledger checkpoint` printed.",
)
@json_option
def verify(file: Address, head: str | None, receipt: Path | None, json: bool) -> None:
    """Check the ledger FILE for events that were edited, removed or put in another order.

    Keep the head that is printed: if it is given as --head later, the command checks that no event
    before it is missing. A receipt that a client holds shows the same.
    """
    from shotveil.host.ledger.checkpoints import require_part_of
    from shotveil.host.ledger.event_log import Head
    from shotveil.host.ledger.odometer import read_accounts
    from shotveil.host.ledger.stores import open_log

    known = Head.parse(head) if head is not None else None
    read_accounts(file)
    with open_log(file, writable=False) as log:
        found = log.verify(known)
        for checkpoint in _checkpoints(receipt):
            require_part_of(log, checkpoint)
    _print_head(file, found, f"{found.sequence} events, unbroken", json)


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
@click.option(
    "--reason",
    metavar="TEXT",
    default="",
    show_default="none",
    help="Why the budget is raised, for the record; needed to raise it.",
)
@json_option
def budget(
    file: Address,
    network: str,
    bits: float | None,
    sense: str,
    client: str | None,
    each_client: bool,
    reason: str,
    json: bool,
) -> None:
    """Set, raise or lift a budget in the ledger FILE, while no server has it open.

    A budget that is raised stays on record, with what it was, the time and the --reason.

    The budget is that of all clients together, unless --client or --each-client is given.
    """
    from shotveil.host.ledger.stores import is_database, open_filter

    if client is not None and each_client:
        raise RangeError("both --client and --each-client given; allowed: one of them")
    if client == "":
        raise RangeError("client = '' is empty; allowed: a name")
    if not is_database(file) and not Path(file).is_file():
        raise RangeError(f"ledger {file} is not found; allowed: a file that Shotveil wrote")
    with open_filter(file) as accounts:
        digest, account = accounts.accounts.find(network)
        which = "" if each_client else client
        accounts.set_budget(
            digest,
            bits,
            "certified" if sense == "certified" else "declared",
            which,
            may_raise=bool(reason),
            reason=reason,
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
    weights = sum(rows * columns for rows, columns in account.layers)
    limit = "none"
    if bits is not None:
        limit = f"{bits:g} bits per weight ({sense}), {bits * weights:,.6g} bits of all weights"
    click.echo(f"{account.name}: budget of {whose} is {limit}")


@ledger.command()
@file_argument
@click.option("--client", metavar="NAME", required=True, help="Client to admit again, by its name.")
@json_option
def readmit(file: Address, client: str, json: bool) -> None:
    """Admit a refused client again in the ledger FILE, while no server has it open.

    Verification refuses a client for good, on all networks. Readmitting is an event in the ledger.
    The evidence on the client then begins anew, and what has leaked to it stays charged.
    """
    from shotveil.host.ledger.stores import is_database, open_filter

    if not is_database(file) and not Path(file).is_file():
        raise RangeError(f"ledger {file} is not found; allowed: a file that Shotveil wrote")
    with open_filter(file) as accounts:
        reason = accounts.refusal(client)
        accounts.readmit(client)
    if json:
        print_json({"client": client, "reason": reason})
        return
    click.echo(f"client {client} is admitted again; it was refused: {reason}")


@ledger.command()
@file_argument
@click.option("--servers", type=int, default=8, help="Number of servers (1 or more).")
@click.option("--clients", type=int, default=50, help="Number of clients of each (1 or more).")
@click.option("--reserves", type=int, default=20_000, help="Reserves in all (1 or more).")
@click.option(
    "--rate",
    type=float,
    default=0.0,
    show_default="as many as there can be",
    help="Reserves a second of all servers together (0 or more).",
)
@click.option(
    "--kill-every",
    type=float,
    default=0.0,
    show_default="none is killed",
    help="Mean number of seconds between two kills of a server at random (0 or more).",
)
@click.option(
    "--budget-share",
    type=float,
    default=100.0,
    help="Budget, as a share of what all reserves come to (above 0).",
)
@click.option("--seed", type=int, default=1, help="Seed of the kills (0 or more).")
@json_option
def load(
    file: Address,
    servers: int,
    clients: int,
    reserves: int,
    rate: float,
    kill_every: float,
    budget_share: float,
    seed: int,
    json: bool,
) -> None:
    """Make a new ledger FILE, load it with servers and clients, and check it.

    Servers are processes here and clients are threads of them, without light between them. It is
    checked that no light left without a charge, that nothing was charged twice, and that no event
    exceeded the budget. A ledger that is a file has one server. Remove the ledger afterwards.
    """
    import tempfile

    from shotveil.host.commands.show import progress_bars
    from shotveil.host.ledger.stores import is_database
    from shotveil.host.operations.load import load as put_load

    if not is_database(file) and servers != 1:
        raise RangeError(f"servers = {servers}; allowed: 1 for a ledger that is a file")
    with tempfile.TemporaryDirectory() as folder, progress_bars() as progress:
        found = put_load(
            file,
            Path(folder),
            servers=servers,
            clients=clients,
            reserves=reserves,
            rate=rate,
            kill_every=kill_every,
            budget_share=budget_share,
            seed=seed,
            progress=progress,
        )
    if json:
        print_json(asdict(found))
        return
    click.echo(
        f"{found.reserves:,} reserves in {found.seconds:.1f} s, "
        f"median {1e3 * found.median:.2f} ms, 99% within {1e3 * found.p99:.2f} ms; "
        f"{found.kills} servers killed; "
        f"{found.rows_sent:,} rows sent, {found.rows_charged:,} charged, none twice; "
        f"{found.bits:.6g} of {found.budget:.6g} bits per weight"
    )


@ledger.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option(
    "--servers", type=int, default=100, show_default=True, help="Servers of the fleet (1 or more)."
)
@click.option("--plot", type=FILE, help="Draw the loads into this file, as PNG, SVG or PDF.")
@json_option
def capacity(files: tuple[Path, ...], servers: int, plot: Path | None, json: bool) -> None:
    """Work out what a fleet would do, from FILES that `ledger load --json` printed.

    It needs a load with --rate 0, and loads with different numbers of servers. Loads with kills do
    not count.
    """
    from shotveil.host.operations.capacity import costs_of, fleet_of
    from shotveil.host.operations.load import LoadResult
    from shotveil.host.run.schedule import READINGS_IN_BLOCK

    if plot is not None and plot.suffix not in PLOT_FORMATS:
        raise RangeError(f"plot = {plot}; allowed: names that end in {', '.join(PLOT_FORMATS)}")
    found = [LoadResult.read(file) for file in files]
    costs = costs_of(found)
    fleet = fleet_of(costs, servers)
    if plot is not None:
        from shotveil.host.figures.load import LoadPoint, load_against_servers
        from shotveil.host.figures.style import rendered, style
        from shotveil.models.common.files import write_atomically

        points = [
            LoadPoint(x.servers, x.clients, x.rate, x.reserves / x.seconds, x.median, x.p99)
            for x in found
            if x.reserves and not x.kills
        ]
        with style():
            write_atomically(plot, rendered(load_against_servers(points), plot.suffix[1:]))
    readings = fleet.reserves * READINGS_IN_BLOCK
    if json:
        print_json(
            {
                "costs": asdict(costs),
                **asdict(fleet),
                "reserves": fleet.reserves,
                "readings": readings,
            }
        )
        return
    click.echo(
        f"A reserve with its commit takes {1e3 * costs.own:.2f} ms of processor at its server, "
        f"{1e3 * costs.follow:.2f} ms at each other one, and {1e3 * costs.log:.2f} ms of the log."
    )
    click.echo(
        f"{servers} servers make at most {fleet.reserves:,.0f} reserves a second in all, "
        f"{fleet.reserves / servers:.3g} each: the log allows {fleet.by_log:,.0f}, and a core at "
        f"each server {fleet.by_processor:,.0f}. A reserve covers up to {READINGS_IN_BLOCK:,} "
        f"readings (rows times images), so that is up to {readings:.2g} readings a second."
    )
