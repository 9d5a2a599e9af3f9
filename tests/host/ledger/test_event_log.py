"""The event log: durable, one writer, and nothing in it can be changed unseen."""

import itertools
import shutil
import sqlite3

import numpy as np
import pytest

from shotveil.host.ledger.event_log import EventLog, Head
from shotveil.models.common.checks import RangeError

EVENTS = 6


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.db"
    with EventLog(path) as log:
        for i in range(EVENTS):
            log.append("sent", {"rows": i})
    return path


def forge(path, *statements):
    """Edit the file as an intruder would: with the triggers that forbid it dropped."""
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER events_are_final")
        database.execute("DROP TRIGGER events_stay")
        for statement in statements:
            database.execute(statement)
    database.close()


def verify(path, head=None):
    with EventLog(path, writable=False) as log:
        return log.verify(head)


def test_events_come_back_in_order(path):
    with EventLog(path, writable=False) as log:
        assert [(e.sequence, e.kind, e.body) for e in log.events()] == [
            (i + 1, "sent", {"rows": i}) for i in range(EVENTS)
        ]
    assert verify(path).sequence == EVENTS


def test_a_log_is_continued_where_it_stopped(path):
    with EventLog(path) as log:
        assert log.append("sent", {}).sequence == EVENTS + 1
    assert verify(path).sequence == EVENTS + 1


@pytest.mark.parametrize(
    "column, value", [("time", "time + 1"), ("kind", "'kept'"), ("body", """'{"rows":7}'""")]
)
@pytest.mark.parametrize("sequence", [1, 3, EVENTS])
def test_an_edited_record_is_found(path, column, value, sequence):
    forge(path, f"UPDATE events SET {column} = {value} WHERE sequence = {sequence}")
    with pytest.raises(RangeError, match=f"event {sequence} or its place"):
        verify(path)


@pytest.mark.parametrize("sequence", range(1, EVENTS + 1))
def test_a_removed_record_is_found(path, sequence):
    forge(path, f"DELETE FROM events WHERE sequence = {sequence}")
    with pytest.raises(RangeError, match=r"missing|are found"):
        verify(path)


@pytest.mark.parametrize("sequence", range(1, EVENTS + 1))
def test_a_removed_record_with_the_rest_moved_up_is_found(path, sequence):
    forge(
        path,
        f"DELETE FROM events WHERE sequence = {sequence}",
        f"UPDATE events SET sequence = sequence - 1 WHERE sequence > {sequence}",
        f"UPDATE head SET sequence = {EVENTS - 1}, digest = "
        f"COALESCE((SELECT digest FROM events WHERE sequence = {EVENTS - 1}), head.digest)",
    )
    with pytest.raises(RangeError, match="last event was changed"):
        verify(path)


@pytest.mark.parametrize("one, other", [*itertools.combinations((1, 2, 4, EVENTS), 2)])
def test_reordered_records_are_found(path, one, other):
    forge(
        path,
        f"UPDATE events SET sequence = -1 WHERE sequence = {one}",
        f"UPDATE events SET sequence = {one} WHERE sequence = {other}",
        f"UPDATE events SET sequence = {other} WHERE sequence = -1",
    )
    with pytest.raises(RangeError, match="place in the order"):
        verify(path)


def test_the_database_itself_refuses_changes(path):
    database = sqlite3.connect(path)
    for statement in ("UPDATE events SET kind = 'x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)
    database.close()


def test_an_old_copy_is_found_with_a_head_kept_elsewhere(path, tmp_path):
    old = tmp_path / "old.db"
    shutil.copy(path, old)
    with EventLog(path) as log:
        log.append("sent", {})
        head = log.head
    assert verify(path, head) == head
    assert verify(path, Head.parse(str(head))) == head
    shutil.copy(old, path)
    assert verify(path).sequence == EVENTS  # by itself it looks whole
    with pytest.raises(RangeError, match="was replaced"):
        verify(path, head)


def test_random_damage_of_the_file_never_passes_for_a_different_history(path):
    """Bytes flipped anywhere: either refused, or the same events come back."""
    original = path.read_bytes()
    with EventLog(path, writable=False) as log:
        before = list(log.events())
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(200):
        damaged = bytearray(original)
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            with EventLog(path, writable=False) as log:
                assert list(log.events()) == before
        except RangeError:
            refused += 1
    assert refused > 5


def test_only_one_process_may_write(path):
    with EventLog(path), pytest.raises(RangeError, match="in use by another process"):
        EventLog(path)
    EventLog(path).close()


def test_without_its_key_a_log_is_refused(path):
    key = path.with_name(path.name + ".key")
    assert key.stat().st_mode & 0o077 == 0
    key.write_bytes(bytes(32))
    with pytest.raises(RangeError, match="last event was changed"):
        verify(path)
    key.unlink()
    with pytest.raises(RangeError, match="cannot be read"):
        verify(path)
    with pytest.raises(RangeError, match="cannot be read"):
        EventLog(path)


def test_bad_files_and_heads_are_refused(tmp_path):
    with pytest.raises(RangeError, match="not found"):
        EventLog(tmp_path / "none.db", writable=False)
    with pytest.raises(RangeError, match="no folder"):
        EventLog(tmp_path / "no" / "ledger.db")
    text = tmp_path / "text.db"
    text.write_text("not a database, but long enough to look like one" * 100)
    text.with_name("text.db.key").write_bytes(bytes(32))
    with pytest.raises(RangeError, match="damaged or no ledger"):
        EventLog(text, writable=False)
    for head in ("", "1", "1:ff", "x:" + "0" * 64, "-1:" + "0" * 64):
        with pytest.raises(RangeError, match="head = "):
            Head.parse(head)
