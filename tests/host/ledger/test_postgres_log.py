"""The log in a database: the same chain as in a file, in one order over all who write."""

import threading
import time

import pytest

from shotveil.host.ledger.event_log import EventLog, Head
from shotveil.host.ledger.stores import make_ledger
from shotveil.models.common.checks import RangeError

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")

import sqlalchemy as sa

from shotveil.host.ledger.postgres_log import PostgresLog, split_address


@pytest.fixture
def address(database):
    make_ledger(database)
    return database


def run(address, *statements, alone=False):
    """Do with the database what somebody does who may, but has no key; `alone`: one by one."""
    url, _ = split_address(address)
    how = {"isolation_level": "AUTOCOMMIT"} if alone else {}
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), **how)
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def until(held):
    """Wait for what the database does soon after a connection was closed."""
    deadline = time.monotonic() + 60
    while not held():
        assert time.monotonic() < deadline
        time.sleep(0.01)


UNGUARDED = "ALTER TABLE events DISABLE TRIGGER ALL"


def test_events_and_records_are_those_of_a_file(address, tmp_path):
    with PostgresLog(address) as log, EventLog(tmp_path / "a.db", create=True) as file:
        for each in (log, file):
            each.append("one", {"π": 1.5, "nul": "\0"}, {"name": b"\0first"})
            each.append_all([("two", {"b": None}), ("three", {})], {"name": b"second"})
            assert each.record("name") == b"second" and each.record("other") is None
            assert each.records() == {"name": b"second"}
            assert each.head.sequence == 3 and each.verify() == each.head
            assert each.holds(each.head_at(2)) and not each.holds(Head(2, b"x" * 32))
            assert not each.holds(Head(9, b"x" * 32))
        assert [(e.kind, e.body) for e in log.events()] == [(e.kind, e.body) for e in file.events()]
    with PostgresLog(address, writable=False) as again:
        assert again.verify(again.head_at(1)).sequence == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE events SET body = '{}' WHERE sequence = 2", "event 2 or its place"),
        ("UPDATE events SET time = time + 1 WHERE sequence = 2", "event 2 or its place"),
        ("DELETE FROM events WHERE sequence = 2", "event 2 is missing"),
        ("DELETE FROM events WHERE sequence = 3", "3 events were written, but 2 are found"),
    ],
)
def test_what_was_changed_without_the_key_is_found(address, change, said):
    with PostgresLog(address) as log:
        log.append_all([("event", {"number": i}) for i in range(3)])
    run(address, UNGUARDED, change)
    with PostgresLog(address) as log, pytest.raises(RangeError, match=said):
        log.verify()


def test_events_cannot_be_changed_by_mistake(address):
    with PostgresLog(address) as log:
        log.append("event", {})
    for change in ("UPDATE events SET kind = 'x'", "DELETE FROM events", "TRUNCATE events"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            run(address, change)


def test_a_changed_head_and_an_emptied_log_are_found(address):
    run(address, "UPDATE head SET sequence = 5")
    with pytest.raises(RangeError, match="record of its last event was changed"):
        PostgresLog(address)
    run(address, "DELETE FROM head")
    with pytest.raises(RangeError, match="is empty"):
        PostgresLog(address)


def test_a_log_in_another_database_is_adopted_on_purpose(address):
    with PostgresLog(address) as log:
        log.append("event", {})
        name = sa.make_url(address).database
        other = str(address).replace(f"/{name}", f"/{name}_copy")
    url, _ = split_address(address)
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg", database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
        try:
            with pytest.raises(RangeError, match="is in another database"):
                PostgresLog(other)
            with PostgresLog(other, writable=False) as copy:
                assert copy.verify().sequence == 1
            with PostgresLog(other, adopt=True) as copy:
                assert [event.kind for event in copy.events()] == ["event", "place"]
            PostgresLog(other).close()
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name}_copy WITH (FORCE)")
    engine.dispose()


def test_two_who_write_take_turns_and_see_each_other(address):
    with PostgresLog(address) as one, PostgresLog(address) as two:
        one.append("mine", {})
        with pytest.raises(RangeError, match="was written meanwhile"):
            two.append("blind", {})
        seen = []
        stored = two.begin()
        assert two.follow(seen.append, stored) == 1 and seen[0].kind == "mine"
        waited = threading.Thread(target=lambda: (one.begin(), one.finish()))
        waited.start()
        waited.join(0.2)
        assert waited.is_alive()  # there is one lock over both
        two.append("theirs", {})
        two.finish()
        waited.join(20)
        assert not waited.is_alive()
        assert one.begin().sequence == 2
        one.finish(keep=False)


def test_a_turn_that_is_not_kept_leaves_nothing(address):
    with PostgresLog(address) as log:
        log.begin()
        log.append("event", {}, {"name": b"value"})
        log.finish(keep=False)
    with PostgresLog(address) as log:
        assert log.head.sequence == 0 and log.record("name") is None


def test_a_log_that_lost_events_while_it_is_open_is_not_written(address):
    with PostgresLog(address) as log, PostgresLog(address) as other:
        log.append("one", {})
        before = split_address(address)[0]
        assert before.database
        run(address, "CREATE TABLE old AS SELECT * FROM head")
        log.append("two", {})
        run(
            address,
            UNGUARDED,
            "DELETE FROM events WHERE sequence = 2",
            "DELETE FROM head",
            "INSERT INTO head SELECT * FROM old",
        )
        stored = log.begin()
        with pytest.raises(RangeError, match="was rolled back: it has 1 events"):
            log.follow(lambda event: None, stored)
        log.finish(keep=False)
        assert not log.holds(log.head)
        assert other.verify().sequence == 1  # it looks whole to who saw no more


def test_names_are_held_as_long_as_their_holder_is_connected(address):
    with PostgresLog(address) as one, PostgresLog(address) as two:
        holder = one.hold_name("server")
        assert two.is_held("server") and not two.is_held("another")
        holder.close()
        until(lambda: not two.is_held("server"))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://me@host/ledger", "names no key"),
        ("postgresql://me:word@host/ledger?key=k", "holds a password"),
    ],
)
def test_addresses_that_are_refused(address, said):
    with pytest.raises(RangeError, match=said) as refused:
        PostgresLog(address)
    assert ":word" not in str(refused.value)


def test_a_database_that_does_not_answer_is_one_line(tmp_path):
    with pytest.raises(RangeError, match="ledger postgresql://me@") as refused:
        PostgresLog(f"postgresql://me@/ledger?host={tmp_path}&key=k")
    assert "\n" not in str(refused.value)


def test_who_stands_still_with_the_lock_loses_it_and_readers_may_take_their_time(
    address, monkeypatch
):
    from shotveil.host.ledger import postgres_log

    with PostgresLog(address) as patient:
        patient.append_all([("event", {})] * 3)
        monkeypatch.setattr(postgres_log, "IDLE_SECONDS", 1)
        with PostgresLog(address) as log, log.moment():
            events = log.events()
            next(events)
            stopped = PostgresLog(address)
            stopped.begin()
            assert patient.begin().sequence == 3  # it waits until the other one has lost the lock
            patient.finish()
            stopped.append("late", {})
            with pytest.raises(RangeError, match=r"timeout|closed|terminat"):
                stopped.finish()
            stopped.close()
            assert len(list(events)) == 2
