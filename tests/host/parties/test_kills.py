"""Kills of link, server and client, and cuts of the network; `make soak-kills` has 100 of each.

After each of them the next honest client is answered without a restart of anybody else. No light
is left uncharged, and nothing stays charged that the link can show was never sent.
"""

import os
import time
from pathlib import Path

import numpy as np

from shotveil.host.ledger.event_log import EventLog
from tests.host.parties.parties import SEED
from tests.host.parties.three import Three

SOAK = bool(os.environ.get("SHOTVEIL_SOAK"))
EACH = 100 if SOAK else 1
SECONDS = 5.0 if SOAK else 60.0  # until an honest client is answered; of a busy machine
FAULTS = "link killed", "server killed", "client killed", "network cut"


def test_an_honest_client_is_answered_after_every_kill_and_cut(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))  # for the processes that fork
    rng = np.random.default_rng(SEED)
    faults = rng.permutation(np.repeat(FAULTS, EACH))
    seconds = {fault: [] for fault in FAULTS}
    three, forgotten, unknown = Three(tmp_path, SECONDS), set(), 0
    try:
        three.ask()
        for number, fault in enumerate(faults):
            three.start_client()
            time.sleep(0.3 + rng.exponential(0.3))
            others = dict(three.children)
            if fault == "link killed":
                three.kill("link")
                others.pop("link")
                three.start("link")
            elif fault == "server killed":
                three.kill("serve")
                others.pop("serve")
                three.start("serve")
            elif fault == "client killed":
                three.kill("client")
                others.pop("client")
            else:
                for wire in three.wires:
                    wire.cut()
            seconds[fault].append(three.ask())
            assert all(child.is_alive() for child in others.values())
            if "client" in three.children:
                three.kill("client")
            if fault == "link killed":  # what it knew is gone
                forgotten |= three.books()[2] - {epoch_of(three)}
            deadline = time.monotonic() + SECONDS
            while True:  # light of the client that was just killed may still be on its way
                three.ask()
                uncharged, never, _, settled = three.books()
                assert not uncharged
                if not [n for n, epoch in never.items() if epoch not in forgotten]:
                    break
                assert time.monotonic() < deadline, f"charged, but never sent: {never}"
            unknown = len(never)
            longest = max(max(each, default=0) for each in seconds.values())
            print(
                f"\r{number + 1} of {len(faults)}: answered within {longest:.2f} s, "
                f"{settled} charges taken back, {unknown} that no link knows of ",
                end="",
                flush=True,
            )
    finally:
        three.stop()
    for fault, each in seconds.items():
        print(f"\n{fault}: answered after {np.median(each):.2f} s, {max(each):.2f} s at most")
        assert len(each) == EACH and max(each) < SECONDS


def epoch_of(three):
    """The epoch that the server is in: that of the last reserve, made for an honest client."""
    with EventLog(three.folder / "ledger.db", writable=False) as log:
        return [e.body["emission"][0] for e in log.events() if e.kind == "reserve"][-1]
