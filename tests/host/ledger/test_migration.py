"""A ledger goes from a file to a database and back, and stays what it is."""

import os
import sqlite3
import time
from contextlib import closing

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")

from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.checkpoints import Checkpoint, require_part_of
from shotveil.host.ledger.event_log import EventLog
from shotveil.host.ledger.migration import move
from shotveil.host.ledger.odometer import read_accounts, report
from shotveil.host.ledger.stores import key_of, open_filter, open_log
from shotveil.models.common.checks import RangeError
from tests.host.parties.parties import IMAGES, NETWORK, parties


@pytest.fixture
def file(tmp_path):
    """A ledger that was in use, and a client's receipt of it."""
    with parties(tmp_path, budget=100.0) as (_, _, client):
        alice = client()
        alice.classify(IMAGES[:60], batch=20)
        (tmp_path / "receipt").write_text(alice.close().checkpoint)
        client("bob").classify(IMAGES[:20])
    return tmp_path / "ledger.db"


def contents(ledger):
    with open_log(ledger, writable=False) as log:
        return list(log.rows(10**9)), log.records(), log.verify()


def test_there_and_back_it_is_the_same_to_the_byte(file, database, tmp_path):
    rows, records, head = contents(file)
    totals = report(read_accounts(file))
    assert len(rows) > 20 and records
    assert move(file, database) == head
    assert contents(database) == (rows, records, head)
    assert report(read_accounts(database)) == totals
    receipt = Checkpoint.parse((tmp_path / "receipt").read_text())
    with open_log(database, writable=False) as log:
        require_part_of(log, receipt)
        # The old place is closed for good, so all of the new one has to be on its disk.
        assert log._query("SELECT max(last) FROM lasting") == [(head.sequence,)]
    with open_filter(database) as fleet:
        assert fleet.evidence("alice")
        fleet.set_budget(NETWORK.digest, 1.0, "declared")
    rows, records, head = contents(database)
    back = tmp_path / "back.db"
    assert move(database, back) == head
    assert contents(back) == (rows, records, head)
    with BudgetFilter(back) as accounts:
        assert accounts.accounts.networks[NETWORK.digest].budget.bits == 1.0
    with EventLog(back, writable=False) as log:
        require_part_of(log, receipt)


def test_the_old_place_is_served_from_no_more(file, database, tmp_path):
    move(file, database)
    with pytest.raises(RangeError, match=f"ledger {file} was moved to postgresql://"):
        BudgetFilter(file)
    assert report(read_accounts(file)) == report(read_accounts(database))
    with pytest.raises(RangeError, match=r"was moved to postgresql:.* already"):
        move(file, tmp_path / "second.db")
    move(database, tmp_path / "third.db")
    with pytest.raises(RangeError, match=r"was moved to .*third\.db"):
        open_filter(database)


def test_a_move_that_was_cut_goes_on(file, database, monkeypatch):
    """The process dies after the old ledger has ended and before the new one is kept."""
    from shotveil.host.ledger.postgres_log import PostgresLog

    *_, head = contents(file)
    real = PostgresLog.fill

    def dies(self, rows, records, head, sure):
        def both():
            sure()
            raise KeyboardInterrupt

        real(self, rows, records, head, both)

    monkeypatch.setattr(PostgresLog, "fill", dies)
    with pytest.raises(KeyboardInterrupt):
        move(file, database)
    monkeypatch.undo()
    with open_log(database, writable=False) as log:
        assert log.head.sequence == 0
    with pytest.raises(RangeError, match="was moved to"):
        BudgetFilter(file)
    assert move(file, database) == head


def test_nothing_that_is_there_is_replaced(file, database, tmp_path):
    before = contents(file)
    other = tmp_path / "other.db"
    EventLog(other, create=True).close()
    with pytest.raises(RangeError, match=r"other\.db exists"):
        move(file, other)
    key_of(database).write_bytes(b"x" * 32)
    with pytest.raises(RangeError, match="is of another ledger"):
        move(file, database)
    key_of(database).unlink()
    assert contents(file) == before
    move(file, database)
    with pytest.raises(RangeError, match="the key is not its key"):
        move(other, database.replace("fleet.key", "second.key"))
    with BudgetFilter(other):
        pass


def test_a_damaged_ledger_is_not_moved(file, database):
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("DROP TRIGGER events_are_final")
        raw.execute("UPDATE events SET body = '{}' WHERE sequence = 5")
    raw.close()
    with pytest.raises(RangeError, match="event 5 or its place"):
        move(file, database)


PAIRS = 50_000 if os.environ.get("SHOTVEIL_SOAK") else 2_500


def test_a_long_ledger_goes_there_and_back(database, tmp_path):
    """`make soak-fleet` does it with 10^5 events."""
    file, back = tmp_path / "long.db", tmp_path / "back.db"
    with BudgetFilter(file, create=True) as accounts:
        accounts.register(NETWORK)
        channels = [ChannelClass(0.9, 0.01)] * 2
        accounts.open_session("s", NETWORK.digest, "alice", 2.0, channels, 1e-6)
        first = accounts.log.head.sequence
        place = {"session": "s", "layer": 0, "first": 0, "stop": 64, "inferences": 1}
        for start in range(0, PAIRS, 1000):
            pairs = []
            for number in range(start, min(start + 1000, PAIRS)):
                pairs.append(("reserve", place))
                pairs.append(("commit", {"reserve": first + 2 * number + 1}))
            accounts.log.append_all(pairs, {"name": os.urandom(1000)}, accounts.accounts.apply)
    rows, records, head = contents(file)
    totals = report(read_accounts(file))
    assert totals[0]["row_copies_sent"] == 64 * PAIRS
    for source, target in ((file, database), (database, back)):
        begun = time.perf_counter()
        assert move(source, target) == head
        print(f"{len(rows):,} events in {time.perf_counter() - begun:.1f} s to {target}")
        assert contents(target) == (rows, records, head)
        assert report(read_accounts(target)) == totals
