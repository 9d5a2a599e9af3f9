"""Ledgers of a great age: start, memory and reserves, at small size by default.

`make soak-ledger` runs them whole, over a million events.
"""

import hashlib
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from shotveil.host.ledger.accounts import Accounts
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.snapshots import EVERY, keep
from shotveil.models.networks.network import Layer, Network

SOAK = bool(os.environ.get("SHOTVEIL_SOAK"))
EVENTS = 1_000_000 if SOAK else 3 * EVERY
RESERVES = 2000 if SOAK else 100
CLIENTS, IMAGES = 50, 20  # images of a session
RNG = np.random.default_rng(1)
NETWORK = Network("old", (Layer(RNG.normal(size=(1070, 60))), Layer(RNG.normal(size=(500, 1070)))))

# In a process of its own, whose memory and processor time are the ledger's and nobody else's.
MEASURE = """
import json, sys, time
from pathlib import Path
from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.accounts import Emission

def most():
    # Not what getrusage says, which counts what the parent process held as well.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

path, network, reserves = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
without, begun, processor = most(), time.perf_counter(), time.process_time()
with BudgetFilter(path) as ledger:
    started = time.perf_counter() - begun, time.process_time() - processor
    good = [ChannelClass(1.0, 1e-3)] * 2
    ledger.open_session("measured", network, "client 1", 12.0, good, 1e-10, 9.0)
    seconds, used = [], time.process_time()
    for i in range(reserves):
        before = time.perf_counter()
        made = ledger.reserve("measured", i % 2, 0, 500, 1, emission=Emission("e", i, 0))
        seconds.append(time.perf_counter() - before)
        ledger.commit(made, {"x": bytes(12_000)})
    used = (time.process_time() - used) / reserves
    ledger.end_session("measured", "closed by the client")
print(json.dumps([*started, most(), most() - without, used, seconds]))
"""


def old_ledger(path, progress):
    """Write a ledger of `EVENTS` events, as a server does, but without waiting for the disk."""
    rng = np.random.default_rng(2)
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        ledger.set_budget(NETWORK.digest, 1e6, "certified")
        ledger.set_budget(NETWORK.digest, 1e5, "certified", "")
    with EventLog(path) as log:
        accounts, number = Accounts(), 0
        for event in log.events():
            accounts.apply(event)
        while log.head.sequence < EVENTS:
            batch, records, first = [], {}, log.head.sequence + 1
            while len(batch) < EVERY:
                client = f"client {number % CLIENTS}"
                events = session(f"s{number}", client, first + len(batch), rng)
                batch += events
                records[json.dumps([client, 0, "x"])] = bytes(12_000)
                number += 1
            log.append_all(batch, records, accounts.apply, at_once=False)
            keep(log, accounts)
            progress(log.head.sequence)


def session(name, client, sequence, rng):
    """The events of one session; one part in fifty is never committed."""
    channel = [1 - 10 ** float(rng.integers(-24, -8) / 8), 10 ** float(rng.integers(-40, -16) / 8)]
    digest = hashlib.sha256(bytes(12_000)).hexdigest()
    body = {"session": name, "network": NETWORK.digest, "client": client}
    body |= {"modulation_variance": 12.0, "declared": [[1.0, 1e-3]] * 2, "disclosed_bits": 9.0}
    events = [("session", body | {"failure_probability": 1e-10, "standing": f"of {client}"})]
    for image in range(IMAGES):
        for layer, rows in enumerate((1070, 500)):
            reserve = {"session": name, "layer": layer, "first": 0, "stop": rows, "inferences": 1}
            made = sequence + len(events)
            events.append(("reserve", reserve | {"emission": ["e" * 16, image, 0]}))
            if rng.random() < 0.98:
                records = {client: {"x": digest}}
                events.append(("commit", {"reserve": made, "records": records}))
    senses = dict.fromkeys(("declared", "estimated", "certified"), channel)
    events.append(("channel", {"session": name, "layer": 0, **senses}))
    return [*events, ("end", {"session": name, "reason": "closed by the client"})]


@pytest.mark.timeout(0 if SOAK else 300)
def test_start_memory_and_reserves_do_not_grow_with_age(tmp_path):
    path, begun = tmp_path / "ledger.db", time.monotonic()

    def progress(events):
        if SOAK and events // EVERY % 20 == 0:
            left = (time.monotonic() - begun) * (EVENTS / events - 1)
            print(f"\r{events:,} of {EVENTS:,} events, {left:.0f} s left ", end="", flush=True)

    old_ledger(path, progress)
    size = path.stat().st_size / 2**20
    command = [sys.executable, "-c", MEASURE, str(path), NETWORK.digest, str(RESERVES)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    start, processor, memory, own, used, seconds = json.loads(said)
    p99 = float(np.quantile(seconds, 0.99))
    print(
        f"\n{EVENTS:,} events ({size:.0f} MiB): start in {start:.2f} s ({processor:.2f} s of "
        f"processor), memory {memory:.0f} MiB, {own:.0f} of them the ledger's; a reserve takes "
        f"{np.median(seconds) * 1e3:.1f} ms, 99 of 100 at most {p99 * 1e3:.1f} ms; with its commit "
        f"{used * 1e3:.2f} ms of processor"
    )
    assert memory <= 300 and own <= 100
    # Two microseconds an event for the seals, and nothing else that grows.
    assert processor <= 1.5 + 4e-6 * EVENTS
    assert used <= 0.02
    if SOAK:
        assert start <= 5 and p99 <= 0.02
