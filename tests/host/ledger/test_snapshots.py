"""Snapshots: the same accounts, without the events; and none that other code made."""

import pickle
import zlib

import numpy as np
import pytest

from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.ledger import snapshots
from shotveil.host.ledger.accounts import KEPT_RESERVES, KEPT_SESSIONS, SENSES, Emission
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.odometer import report
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network

GOOD = ChannelClass(1.0, 1e-3)
RNG = np.random.default_rng(1)
NETWORK = Network("small", (Layer(RNG.normal(size=(8, 6))), Layer(RNG.normal(size=(4, 8)))))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def use(ledger, sessions, start=0):
    for number in range(start, start + sessions):
        name = f"s{number}"
        ledger.open_session(name, NETWORK.digest, f"c{number % 3}", 12.0, [GOOD] * 2, 1e-10, 9.0)
        ledger.commit(ledger.reserve(name, 0, 0, 8, 2, emission=Emission("e", number, 1)))
        ledger.reserve(name, 1, number % 3, 4, 3)
        ledger.end_session(name, "closed")


def test_a_restart_from_a_snapshot_gives_what_all_events_give(path, monkeypatch):
    monkeypatch.setattr("shotveil.host.ledger.budget.EVERY", 20)
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        ledger.set_budget(NETWORK.digest, 90.0, "declared")
        use(ledger, 12)
        expected = report(ledger.accounts), ledger.accounts.outstanding
        ledger.log.close()  # as a process that died: the last snapshot is some events old
    with EventLog(path, writable=False) as log:
        state, events = log.resume(snapshots.version())
        assert state is not None and 0 < len(list(events)) < 20
        found = snapshots.restore(log)
        assert (report(found), found.outstanding) == expected
        # Other code adds the events up again.
        monkeypatch.setattr(snapshots, "version", lambda: "another")
        again = snapshots.restore(log)
        assert (report(again), again.outstanding) == expected
    for sense in SENSES:
        total = found.networks[NETWORK.digest].total
        assert total.bits(sense) == again.networks[NETWORK.digest].total.bits(sense)


def test_a_start_that_added_up_many_events_makes_a_snapshot(path, monkeypatch):
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        use(ledger, 6)
    monkeypatch.setattr(snapshots, "version", lambda: "later code")
    with EventLog(path) as log:
        events = len(list(log.resume("none")[1]))
    for most, kept in ((events + 1, False), (events, True)):
        monkeypatch.setattr(snapshots, "EVERY", most)
        with EventLog(path) as log:
            snapshots.restore(log, renew=True)
            state, events = log.resume("later code")
            assert (state is not None) == kept and (not list(events)) == kept


def test_what_is_held_does_not_grow_with_age(path, monkeypatch):
    monkeypatch.setattr("shotveil.host.ledger.accounts.KEPT_RESERVES", 50)
    monkeypatch.setattr("shotveil.host.ledger.accounts.KEPT_SESSIONS", 10)
    monkeypatch.setattr(EventLog, "_open", synchronous_off(EventLog._open))
    with BudgetFilter(path, create=True) as ledger:
        ledger.register(NETWORK)
        use(ledger, 120)
        accounts = ledger.accounts
        assert len(accounts.outstanding) == 50 and len(accounts.sessions) <= 50 + 20
        (entry,) = report(accounts)
        assert entry["sessions"] == 120 and entry["sessions_open"] == 0
        assert entry["failure_probability"] == pytest.approx(120e-10)
        assert entry["row_copies_never_verified"] == sum((4 - n % 3) * 3 for n in range(120))
        for reserve in list(accounts.outstanding):  # their sessions are still known
            ledger.settle(reserve, {"reason": "a test"})
        assert len(accounts.sessions) <= 20
    assert KEPT_RESERVES >= 4096 and KEPT_SESSIONS >= 64


def synchronous_off(opened):
    def quickly(log, *arguments):
        opened(log, *arguments)
        log._database.execute("PRAGMA synchronous = OFF")

    return quickly


def test_only_accounts_are_read_back():
    class Other:
        pass

    for thing in (print, Other, {"a": 1}):
        state = zlib.compress(pickle.dumps(thing)) if thing is not Other else b"no snapshot"
        with pytest.raises(RangeError, match="the ledger's snapshot"):
            snapshots._load(state)
