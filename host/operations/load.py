"""A load on the ledger of a fleet: servers as processes, clients as threads, kills at random.

Each client reserves the rows of a layer, notes that light left, and commits. The notes are what a
link would have seen. All begin at the same moment, when each has its session. Afterwards the ledger
is compared with the notes: nothing was sent without a reserve, nothing was charged twice, and after
no event was a budget exceeded.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shotveil.host.leakage.composition import LOST, ChannelClass
from shotveil.host.ledger.accounts import Accounts, Tally
from shotveil.host.ledger.budget import BudgetExhausted
from shotveil.host.ledger.event_log import Event
from shotveil.host.ledger.stores import Address, make_ledger, open_filter, open_log
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.foreign import ForeignFile
from shotveil.models.networks.network import Layer, Network

ROWS = 64
CHANNEL = ChannelClass(0.9, 0.01)
GO = "go"  # file in the folder of notes that appears when all servers have all sessions
VARIANCE = 2.0
NETWORK = Network(
    "load", (Layer(np.random.default_rng(5).normal(size=(ROWS, 16)).astype(np.float32)),)
)


@dataclass(frozen=True)
class LoadResult:
    """What a load showed.

    servers, clients: Number of servers, and of clients of each. rate: What was asked for, in
        reserves a second; 0 means as many as there could be.
    reserves: Reserves that were answered; seconds: how long that took, to a tenth of a second.
    processor: Seconds of processor of all servers in that time; None after a kill.
    rows_sent: Rows whose light left; rows_charged: rows that the ledger charges.
    median, p99: Seconds that a reserve took.
    bits, budget: Charged at the end, and allowed, in bits per weight.
    refused: Reserves for which not one row fitted. kills: Servers that were killed.
    """

    servers: int
    clients: int
    rate: float
    reserves: int
    seconds: float
    processor: float | None
    rows_sent: int
    rows_charged: int
    median: float
    p99: float
    bits: float
    budget: float
    refused: int
    kills: int

    def __post_init__(self) -> None:
        """Raise `RangeError` for a value out of range."""
        for name, value in vars(self).items():
            if value is not None or name != "processor":
                require(name, value, at_least=0)
        require("servers", self.servers, at_least=1, integer=True)
        require("clients", self.clients, at_least=1, integer=True)
        if self.reserves:
            require("seconds", self.seconds, above=0)

    @classmethod
    def read(cls, path: Path) -> LoadResult:
        """Return what `ledger load --json` printed into a file; raises `RangeError` for another."""
        file = ForeignFile("load", path)
        given = file.json()
        try:
            return cls(**given)
        except (TypeError, RangeError) as error:
            said = f"cannot be read: {str(error)[:200]}"
            raise file.refused(said, "what `ledger load --json` prints") from None


def load(
    ledger: Address,
    folder: Path,
    *,
    servers: int,
    clients: int,
    reserves: int,
    rate: float,
    kill_every: float,
    budget_share: float,
    seed: int,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> LoadResult:
    """Make a new ledger and load it; check it, and return what was measured.

    folder: Folder for the notes of what left.
    servers, clients: Number of servers, and of clients of each.
    reserves: Number of reserves in all, after which everybody stops.
    rate: Reserves a second in all; 0 for as many as there can be.
    kill_every: Mean number of seconds between two kills of a random server; 0 for none.
    budget_share: The budget as a share of what all reserves need, > 0.
    progress: Function that is called with a stage, how many of its steps were done since its last
        call, and how many there are. The stages are "reserves" and then "events checked".

    Raises `RangeError` where the ledger exists or what is found in it is wrong.
    """
    for name, number in (("servers", servers), ("clients", clients), ("reserves", reserves)):
        require(name, number, at_least=1, integer=True)
    require("rate", rate, at_least=0)
    require("seconds between kills", kill_every, at_least=0)
    require("budget share", budget_share, above=0)
    make_ledger(ledger)
    # The budget is what so many whole layers take, and half a row more: it is never met exactly.
    whole = Tally([(ROWS, 16)])
    copies = np.full(ROWS, max(1, math.floor(reserves * budget_share)), dtype=np.int64)
    copies[: ROWS // 2] += 1
    whole.add("declared", 0, CHANNEL, VARIANCE, copies)
    budget = whole.bits("declared") * (1 - 1e-9)
    with open_filter(ledger) as accounts:
        accounts.register(NETWORK)
        accounts.set_budget(NETWORK.digest, budget, "declared")
    rng = np.random.default_rng(seed)
    begun, last, kills = math.inf, 0.0, 0
    notes = _Notes(folder)
    quota = -(-reserves // servers)
    children: dict[int, subprocess.Popen[bytes]] = {}
    life = [0] * servers

    def start(number: int) -> None:
        done = notes.count(f"{number}-*")
        life[number] += 1
        children[number] = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from shotveil.host.operations.load import work; work(*sys.argv[1:])",
                str(ledger),
                str(folder / f"{number}-{life[number]}"),
                str(number),
                str(clients),
                str(max(0, quota - done)),
                str(rate / servers),
            ],
        )

    try:
        for number in range(servers):
            start(number)
        next_kill = math.inf
        reported = 0
        while children:
            time.sleep(0.1)
            for number, child in list(children.items()):
                if child.poll() is not None:
                    if child.returncode:
                        raise RangeError(f"server {number} ended with {child.returncode}")
                    del children[number]
            if children and time.monotonic() > next_kill:
                victim = int(rng.choice(sorted(children)))
                children[victim].kill()
                children[victim].wait()
                kills += 1
                start(victim)
                next_kill = _later(rng, kill_every)
            if begun == math.inf and len([*folder.glob("ready.*")]) == servers:
                begun = time.monotonic()
                next_kill = _later(rng, kill_every)
                (folder / GO).touch()
            done = notes.count("*-*")
            progress("reserves", done - reported, reserves)
            if done > reported:
                reported, last = done, time.monotonic()
    finally:
        for child in children.values():
            child.kill()
            child.wait()
    used = sum(float(path.read_text()) for path in folder.glob("processor.*"))
    measured = servers, clients, rate, last - begun, None if kills else used, kills
    return _check(ledger, folder, budget, progress, *measured)


def work(ledger: str, notes: str, name: str, clients: str, reserves: str, rate: str) -> None:
    """Be one server of a load: `clients` threads reserve, note what left, and commit."""
    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    left, guard = [int(reserves)], threading.Lock()
    pause = int(clients) / float(rate) if float(rate) else 0.0
    opened, begin = threading.Barrier(int(clients) + 1), threading.Event()
    beside = Path(notes).name.replace("-", ".")
    with open_filter(Path(ledger) if "://" not in ledger else ledger) as accounts:

        def client(number: int) -> None:
            session = f"{notes} {number}"
            own = f"client-{name}-{number}"
            try:
                accounts.open_session(session, NETWORK.digest, own, VARIANCE, [CHANNEL], 1e-9)
            except BaseException:
                opened.abort()
                raise
            opened.wait()
            begin.wait()
            due = time.monotonic() + pause * first_moment(int(name), number)
            while True:
                with guard:
                    if not left[0]:
                        return
                    left[0] -= 1
                time.sleep(max(0.0, due - time.monotonic()))
                due += pause
                begun = time.monotonic()
                try:
                    reserve = accounts.reserve(session, 0, 0, ROWS, 1)
                except BudgetExhausted:
                    os.write(file, b"- 0 0\n")
                    continue
                took = time.monotonic() - begun
                rows = reserve.stop - reserve.first
                os.write(file, f"{reserve.sequence} {rows} {took:.6f}\n".encode())
                accounts.commit(reserve)

        threads = [threading.Thread(target=client, args=[n]) for n in range(int(clients))]
        for thread in threads:
            thread.start()
        opened.wait()
        Path(notes).with_name(f"ready.{beside}").touch()
        while not Path(notes).with_name(GO).exists():
            time.sleep(0.01)
        used = time.process_time()
        begin.set()
        for thread in threads:
            thread.join()
        own = Path(notes).with_name(f"processor.{beside}")
        own.write_text(str(time.process_time() - used))
    if left[0]:
        sys.exit(1)


def first_moment(server: int, client: int) -> float:
    """Return when a client reserves first, as a share of the pause between two reserves of it.

    No two clients of all servers begin at the same moment, so that they meet by chance alone.
    """
    return float(np.random.default_rng([server, client]).random())


def _check(
    ledger: Address,
    folder: Path,
    budget: float,
    progress: Callable[[str, int, int], None],
    servers: int,
    clients: int,
    rate: float,
    seconds: float,
    processor: float | None,
    kills: int,
) -> LoadResult:
    """Compare a ledger with the notes of what left. Raises `RangeError` for what does not fit."""
    noted: dict[int, int] = {}
    took = []
    answered = refused = 0
    for path in folder.glob("*-*"):
        with path.open() as lines:
            for line in lines:
                sequence, rows, duration = line.split()
                answered += 1
                if sequence == "-":
                    refused += 1
                    continue
                if int(sequence) in noted:
                    raise RangeError(f"reserve {sequence} was given twice")
                noted[int(sequence)] = int(rows)
                took.append(float(duration))
    sent, reserved = sum(noted.values()), 0
    with open_log(ledger, writable=False) as log:
        accounts, fits, all_events = Accounts(), _Fits(budget), log.head.sequence
        for event in log.events():
            accounts.apply(event)  # which raises for a reserve that is committed twice
            if event.kind == "reserve":
                rows_now = int(event.body["stop"]) - int(event.body["first"])
                reserved += rows_now
                if noted.pop(event.sequence, rows_now) != rows_now:
                    raise RangeError(f"light of reserve {event.sequence} left and is not charged")
                # As the accounts stood when the light was let out, and not only at the end.
                fits.require(accounts.networks[NETWORK.digest].total, event)
            if event.sequence % 1000 == 0:
                progress("events checked", 1000, all_events)
    for number in noted:
        raise RangeError(f"light of reserve {number} left and is not charged")
    total = accounts.networks[NETWORK.digest].total
    if total.copies() != reserved:
        raise RangeError(f"{total.copies()} rows are charged for {reserved}")
    times = np.array(took) if took else np.zeros(1)
    return LoadResult(
        servers,
        clients,
        rate,
        answered,
        seconds,
        processor,
        sent,
        total.copies(),
        float(np.median(times)),
        float(np.quantile(times, 0.99)),
        total.bits("declared"),
        budget,
        refused,
        kills,
    )


class _Fits:
    """Whether a total is within a budget after each reserve, without working out each total.

    A reserve adds one copy of a row at most. So where some more copies of all rows fit, as lost
    light, that many more reserves do, and more so where their light returned.
    """

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._fitting = 0  # reserves that fit before anything is worked out again

    def require(self, total: Tally, event: Event) -> None:
        """Raise `RangeError` if the reserve of an event took a total above the budget."""
        self._fitting -= int(event.body["inferences"])
        if self._fitting >= 0:
            return
        for copies in (4096, 256, 16, 0):
            more = Tally(total.layers)
            more.add("declared", 0, LOST, VARIANCE, copies)
            bits = total.bits("declared", more)
            if bits <= self._budget:
                self._fitting = copies
                return
        raise RangeError(f"event {event.sequence} takes the total to {bits} of {self._budget} bits")


class _Notes:
    """How many notes there are, read on from where they were read last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[int, int]] = {}  # bytes, and lines in them

    def count(self, pattern: str) -> int:
        """Return the number of lines in the files of a pattern."""
        lines = 0
        for path in self._folder.glob(pattern):
            size, known = self._read.get(path, (0, 0))
            with path.open("rb") as file:
                file.seek(size)
                new = file.read()
            self._read[path] = size + len(new), known + new.count(b"\n")
            lines += self._read[path][1]
        return lines


def _later(rng: np.random.Generator, mean: float) -> float:
    return time.monotonic() + float(rng.exponential(mean)) if mean else math.inf
