"""The event log: durable, one writer, and nothing in it can be changed unseen."""

import hmac
import itertools
import json
import math
import os
import shutil
import sqlite3
import threading
from contextlib import closing

import numpy as np
import pytest

from shotveil.host.ledger.event_log import EventLog, Head, discard
from shotveil.models.common.checks import RangeError

EVENTS = 6


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.db"
    with EventLog(path, create=True) as log:
        for i in range(EVENTS):
            log.append("sent", {"rows": i})
    return path


def forge(path, *statements):
    """Edit the file as an intruder would: with the triggers that forbid it dropped."""
    with closing(sqlite3.connect(path)) as database, database:
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
    with EventLog(path, create=True) as log:
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
    with EventLog(path, create=True) as log:
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
    with EventLog(path, create=True), pytest.raises(RangeError, match="in use by another process"):
        EventLog(path, create=True)
    EventLog(path, create=True).close()


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
        EventLog(path, create=True)


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


def test_a_head_of_another_history_is_found(path, tmp_path):
    """Two histories of one key, as many events in each: whose last event is it?"""
    other = tmp_path / "other.db"
    for file in (path, path.with_name("ledger.db.key")):
        shutil.copy(file, other.with_name(file.name.replace("ledger", "other")))
    heads = []
    for each, rows in ((path, 7), (other, 8)):
        with EventLog(each, adopt=each is other) as log:
            if each is path:  # accepting the copy is an event as well
                log.append("sent", {})
            log.append("sent", {"rows": rows})
            heads.append(log.head)
    assert heads[0].sequence == heads[1].sequence and heads[0] != heads[1]
    assert verify(path, heads[0]) == heads[0] and verify(other, heads[1]) == heads[1]
    with pytest.raises(RangeError, match="was replaced"):
        verify(other, heads[0])
    # The other one's head record, sealed with the same key, is put in place of ours.
    with closing(sqlite3.connect(other)) as database, database:
        record = database.execute("SELECT * FROM head").fetchone()
    database.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("REPLACE INTO head VALUES (?, ?, ?, ?, ?)", record)
    database.close()
    with pytest.raises(RangeError, match="8 events were written, but"):
        verify(path)


def test_what_an_earlier_head_says_must_be_part_of_the_chain(path):
    with EventLog(path, writable=False) as log:
        heads = [Head(event.sequence, event.digest) for event in log.events()]
    for head in [*heads, Head(0, bytes(32))]:
        assert verify(path, head) == heads[-1]
    for head in (Head(1, heads[1].digest), Head(2, heads[0].digest), Head(9, heads[5].digest)):
        with pytest.raises(RangeError, match=f"does not hold event {head.sequence}:"):
            verify(path, head)


def test_an_event_is_on_disk_before_it_counts(path):
    """What the database promises: a commit returns when a power failure can no longer undo it."""
    with EventLog(path, create=True) as log:
        settings = {
            name: log._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode")
        }
    assert settings == {"synchronous": 2, "journal_mode": "wal"}  # 2: FULL


def test_the_record_is_what_the_format_says(path):
    """Digests and seal by hand: a log of today is to be readable by whatever comes."""
    key = path.with_name("ledger.db.key").read_bytes()

    def mac(message):
        return hmac.digest(key, message, "sha256")

    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (2,)
    previous = b""
    for number, row in enumerate(database.execute("SELECT * FROM events ORDER BY sequence"), 1):
        sequence, moment, kind, body, digest = row
        assert (sequence, kind, body) == (number, "sent", f'{{"rows":{number - 1}}}')
        message = json.dumps([previous.hex(), sequence, moment, kind, body]).encode()
        assert digest == mac(message)
        previous = digest
    (head,) = database.execute("SELECT * FROM head")
    database.close()
    place = path.stat().st_ino
    said = f"last event {EVENTS}:{previous.hex()} in file {place}"
    assert head == (1, EVENTS, previous, mac(said.encode()), place)
    with EventLog(path, create=True) as log:
        assert log.secret == mac(b"names")
        assert log.append("many", {"b": 1, "a": [1, 2]}).body == {"a": [1, 2], "b": 1}
        (text,) = log._database.execute("SELECT body FROM events WHERE kind = 'many'").fetchone()
    assert text == '{"a":[1,2],"b":1}'  # one text for one body


def test_events_bear_their_time(tmp_path, monkeypatch):
    monkeypatch.setattr("shotveil.host.ledger.event_log.time.time", lambda: 1234.5)
    with EventLog(tmp_path / "log.db", create=True) as log:
        assert log.head == Head(0, b"")
        event = log.append("sent", {})
        assert (event.sequence, event.time) == (1, 1234.5)
        assert log.head == Head(1, event.digest) == log.verify()
        assert list(log.events()) == [event]


def test_events_are_written_together_or_not_at_all(path):
    with EventLog(path, create=True) as log:
        head = log.head
        for bad in (math.nan, {1, 2}):
            with pytest.raises((ValueError, TypeError)):
                log.append_all([("good", {}), ("bad", {"bits": bad})])
        assert log.head == head == log.verify()
        # A write that fails in the middle is undone, and the next one goes through.
        log._database.execute(
            "CREATE TEMP TRIGGER full BEFORE INSERT ON events WHEN NEW.kind = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
        with pytest.raises(sqlite3.IntegrityError, match="disk full"):
            log.append_all([("good", {}), ("bad", {})], {"kept": b"value"})
        assert log.head == head == log.verify() and log.record("kept") is None
        written = log.append_all([("good", {"n": 1}), ("good", {"n": 2})])
        assert [event.sequence for event in written] == [EVENTS + 1, EVENTS + 2]
        assert log.head == log.verify() == Head(EVENTS + 2, written[1].digest)
        # Where the database undid it by itself, what it said is what is told.
        log._database.execute("DROP TRIGGER full")
        log._database.execute(
            "CREATE TEMP TRIGGER full BEFORE INSERT ON events WHEN NEW.kind = 'bad' "
            "BEGIN SELECT RAISE(ROLLBACK, 'disk gone'); END"
        )
        with pytest.raises(sqlite3.IntegrityError, match="disk gone"):
            log.append("bad", {})
        assert log.append("good", {}).sequence == EVENTS + 3


def waits_for_the_disk(log):
    """Whether SQLite made sure that its last transaction is on disk (2 is FULL, 1 NORMAL)."""
    return log._database.execute("PRAGMA synchronous").fetchone()[0] >= 2


def test_only_what_need_not_be_on_disk_at_once_is_not_waited_for(path):
    with EventLog(path) as log:
        log.append("a", {})
        assert waits_for_the_disk(log)
        log.append_all([("b", {})], at_once=False)
        assert not waits_for_the_disk(log)
        with EventLog(path, writable=False) as reader:  # another process sees it even so
            assert [event.kind for event in reader.events()][-2:] == ["a", "b"]
        log.append("c", {})
        assert waits_for_the_disk(log)


def test_a_record_is_written_with_its_event_or_not_at_all(path):
    def refuse(event):
        raise ValueError("no")

    with EventLog(path) as log:
        assert log.record("kept") is None
        for value in (b"first", b"second"):
            log.append("sent", {}, {"kept": value, "other": b""})
        with pytest.raises(ValueError, match="no"):
            log.append_all([("sent", {})], {"kept": b"third"}, refuse)
        assert log.record("kept") == b"second"
    with EventLog(path) as log:
        assert (log.record("kept"), log.record("other")) == (b"second", b"")


def test_threads_share_a_log(path):
    with EventLog(path, create=True) as log:
        threads = [
            threading.Thread(target=lambda: [log.append("sent", {}) for _ in range(5)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.verify().sequence == EVENTS + 20


def test_a_reader_sees_what_is_written_meanwhile_and_writes_nothing(path):
    with EventLog(path, writable=False) as reader, EventLog(path, create=True) as writer:
        assert reader.head.sequence == writer.head.sequence == EVENTS
        writer.append("sent", {})
        assert reader.head == writer.head == reader.verify()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.append("sent", {})
        assert writer.verify().sequence == EVENTS + 1


def test_a_log_that_cannot_be_opened_is_free_for_the_next(path):
    key = path.with_name("ledger.db.key")
    good = key.read_bytes()
    for bad in (good[:-1], good + b"x", b""):
        key.write_bytes(bad)
        with pytest.raises(RangeError, match=f"has {len(bad)} bytes; allowed: 32"):
            EventLog(path, create=True)
    key.write_bytes(good)
    EventLog(path, create=True).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 3")
    database.close()
    for writable in (True, False):
        with pytest.raises(RangeError, match="has format 3; allowed: up to 2"):
            EventLog(path, writable=writable)
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 2")
    database.close()
    with EventLog(path, create=True) as log:
        assert log.verify().sequence == EVENTS


def test_a_key_is_written_whole_readable_to_its_owner_and_each_its_own(tmp_path, monkeypatch):
    synced = []
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (synced.append(os.fstat(file).st_size), sync(file))
    )
    for name in ("one", "two"):
        EventLog(tmp_path / name, create=True).close()
    assert synced == [32, 0, 32, 0], "all of it is on disk before it is named"
    files = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    ours = {name: mode for name, mode in files.items() if not name.endswith(("-shm", "-wal"))}
    for name in ("one", "two"):
        assert ours.pop(name) and ours.pop(f"{name}.key") == ours.pop(f"{name}.lock") == 0o600
    assert not ours, "nothing else is left"
    keys = {(tmp_path / f"{name}.key").read_bytes() for name in ("one", "two")}
    assert len(keys) == 2 and {len(key) for key in keys} == {32}


@pytest.mark.parametrize("column, value", [("digest", "'text'"), ("time", "'late'"), ("body", "7")])
def test_a_record_of_another_type_is_found(path, column, value):
    forge(path, f"UPDATE events SET {column} = {value} WHERE sequence = 2")
    with pytest.raises(RangeError, match="event 2 or its place"):
        verify(path)


def test_a_log_without_its_head_is_found(path):
    forge(path, "DELETE FROM head")
    with pytest.raises(RangeError, match="is empty; allowed: one with all its events"):
        verify(path)


def test_a_head_is_read_as_it_is_printed():
    head = Head(0, bytes(range(32)))
    assert str(head) == "0:" + bytes(range(32)).hex()
    assert Head.parse(str(head)) == head
    for text in ("1:" + "00" * 33, "1:" + "00" * 31, "1:" + "0g" * 32):
        with pytest.raises(RangeError, match="64 hexadecimal digits"):
            Head.parse(text)


def copy(path, folder):
    """A log and its key in another folder, as `cp` makes them."""
    folder.mkdir()
    for file in (path, path.with_name(path.name + ".key")):
        shutil.copy(file, folder / file.name)
    return folder / path.name


def test_a_log_is_made_on_purpose_only(tmp_path):
    path = tmp_path / "ledger.db"
    with pytest.raises(RangeError, match=r"one that `shotveil ledger init .*` made"):
        EventLog(path)
    assert not list(tmp_path.glob("*.key")) and not path.exists()
    EventLog(path, create=True).close()
    assert path.stat().st_mode & 0o777 == 0o600
    EventLog(path).close()


@pytest.mark.parametrize("create", [True, False])
def test_a_log_that_is_gone_or_emptied_is_no_first_start(path, tmp_path, create):
    emptied = tmp_path / "emptied"
    file = copy(path, emptied)
    for content in (b"", None):
        file.write_bytes(content) if content is not None else file.unlink()
        with pytest.raises(RangeError, match="is empty" if content == b"" else "is gone and its"):
            EventLog(file, create=create)
    forge(path, "DELETE FROM events", "DELETE FROM head")
    with pytest.raises(RangeError, match="is empty"):
        EventLog(path, create=create)


def test_a_log_without_key_is_never_given_another(path):
    path.with_name("ledger.db.key").unlink()
    with pytest.raises(RangeError, match="cannot be read"):
        EventLog(path, create=True)


def test_a_copy_is_refused_until_its_owner_accepts_it(path, tmp_path):
    file = copy(path, tmp_path / "copy")
    assert verify(file).sequence == EVENTS, "it can be read"
    with pytest.raises(RangeError, match=r"not the file that was written last.*ledger adopt"):
        EventLog(file)
    with EventLog(file, adopt=True) as log:
        assert [e.kind for e in log.events()][-1] == "place" and log.head.sequence == EVENTS + 1
    EventLog(file).close()
    # A link to a log is that log: it shares the lock.
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with EventLog(path), pytest.raises(RangeError, match="in use by another process"):
        EventLog(link)
    os.link(path, tmp_path / "second")
    with pytest.raises(RangeError, match="has 2 names"):
        EventLog(path)


def test_a_log_that_is_taken_away_while_it_is_open_takes_nothing_more(path, tmp_path):
    def unlink():
        path.unlink()

    def replace():
        shutil.copy(path, tmp_path / "other")
        (tmp_path / "other").replace(path)

    def cut():
        os.truncate(path, 4096)

    def without_journal():
        path.with_name("ledger.db-wal").unlink()

    for number, harm in enumerate((unlink, replace, cut, without_journal)):
        where = tmp_path / str(number)
        where.mkdir()
        path = where / "ledger.db"
        log = EventLog(path, create=True)
        log.append("sent", {})
        log._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        log.append("sent", {})
        harm()
        with pytest.raises(RangeError, match="removed, replaced or cut"):
            log.append("sent", {})
        log.close()


def test_what_is_not_accepted_is_not_written(path):
    def accept(event):
        raise RangeError("it makes no sense")

    with EventLog(path) as log:
        with pytest.raises(RangeError, match="no sense"):
            log.append_all([("sent", {})], accept=accept)
        assert log.head.sequence == EVENTS == log.verify().sequence
        seen = []
        log.append_all([("sent", {"rows": 9})], accept=lambda event: seen.append(event.body))
        assert seen == [{"rows": 9}]


def test_a_log_goes_on_from_its_snapshot(path):
    with EventLog(path) as log:
        log.save(b"six", "now")
        log.append("sent", {"rows": 6})
        state, events = log.resume("now")
        assert state == b"six" and [e.body["rows"] for e in events] == [6]
        log.save(b"seven", "now")
    with EventLog(path, writable=False) as log:
        state, events = log.resume("now")
        assert state == b"seven" and not list(events)
        state, events = log.resume("other code")
        assert state is None and len(list(events)) == EVENTS + 1


@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE events SET body = '{"rows":7}' WHERE sequence = 2""",
        "UPDATE events SET time = time + 1e-6 WHERE sequence = 2",
        "DELETE FROM events WHERE sequence = 2",
        "DELETE FROM segments WHERE last = 4",
        "UPDATE segments SET seal = zeroblob(32) WHERE last = 4",
        "UPDATE snapshot SET state = 'more'",
        "UPDATE snapshot SET state = CAST('less' AS BLOB)",
        "UPDATE snapshot SET last = 4",
        "UPDATE snapshot SET version = 'v2'",
    ],
)
def test_what_a_snapshot_stands_for_cannot_be_changed(path, statement, monkeypatch):
    monkeypatch.setattr("shotveil.host.ledger.event_log.SEGMENT", 4)
    with EventLog(path) as log:
        log.save(b"state", "v1")
    forge(path, statement)
    with EventLog(path, writable=False) as log, pytest.raises(RangeError):
        log.resume("v1")


def test_a_log_of_format_1_is_read_and_converted(path):
    """As earlier versions wrote it: no place in its head, no snapshots and no records."""
    key = path.with_name("ledger.db.key").read_bytes()
    database = sqlite3.connect(path)
    (sequence, digest) = database.execute("SELECT sequence, digest FROM head").fetchone()
    seal = hmac.digest(key, f"last event {sequence}:{digest.hex()}".encode(), "sha256")
    database.executescript(
        "DROP TABLE head; DROP TABLE segments; DROP TABLE snapshot; DROP TABLE records; "
        "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, "
        "digest BLOB NOT NULL, seal BLOB NOT NULL); PRAGMA user_version = 1"
    )
    database.execute("INSERT INTO head VALUES (1, ?, ?, ?)", (sequence, digest, seal))
    database.commit()
    database.close()
    path.chmod(0o644)
    assert verify(path).sequence == EVENTS
    with EventLog(path) as log:
        log.append("sent", {}, {"kept": b"value"})
        assert log.record("kept") == b"value"
    assert path.stat().st_mode & 0o777 == 0o600
    with EventLog(path) as log:
        assert log.verify().sequence == EVENTS + 1


def test_a_thousand_random_edits_are_refused_or_change_nothing(path):
    """Flips, cuts and overwrites of the file: it is refused, or says what it said."""
    with EventLog(path) as log:
        log.save(b"state", "v")
        for _ in range(3):
            log.append("sent", {})
    original, rng = path.read_bytes(), np.random.default_rng(3)

    def read():
        with EventLog(path, writable=False) as log:
            state, events = log.resume("v")
            return state, list(events), log.verify()

    before, refused = read(), 0
    for _ in range(1000):
        damaged = bytearray(original)
        place, kind = int(rng.integers(len(damaged))), rng.integers(3)
        if kind == 0:
            damaged[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del damaged[place:]
        else:
            damaged[place : place + 16] = rng.bytes(16)
        path.write_bytes(damaged)
        try:
            assert read() == before
        except RangeError:
            refused += 1
    assert refused > 300


def test_a_log_that_is_discarded_can_be_made_anew_with_another_key(path):
    with EventLog(path, writable=False) as log:
        key = log.key
    discard(path)
    discard(path)  # there is none any more
    with EventLog(path, create=True) as log:
        assert log.head.sequence == 0 and log.key != key


def test_a_log_in_use_is_not_discarded(path):
    with EventLog(path) as log:
        with pytest.raises(RangeError, match="in use by another process"):
            discard(path)
        log.append("sent", {})
    assert verify(path).sequence == EVENTS + 1
