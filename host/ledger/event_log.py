"""An append-only, hash-chained log of events in one SQLite file.

An event is on disk before the call that appends it returns, unless the caller lets it wait for the
next one that has to be. Then a failure of the power may take it, with all that follow; the end of
this process, however sudden, does not. Every event carries an HMAC-SHA256 over
itself and the HMAC of its predecessor. A sealed head record, written in the same transaction, says
which event is the last. So without the key no event, not even the last one, can be edited, removed
or moved. The key is a file beside the log that only its owner can read. An old copy of the whole
log can still be put back. Only a head that was written down elsewhere reveals that, and `verify`
accepts such a head (`host.ledger.checkpoints` signs heads, so that clients can keep them).

A log is made once, on purpose. One that is missing, empty, of another key, a copy, or no longer the
file that was written last, is refused and never begun anew.

So that a log of any age opens quickly, `save` keeps a *snapshot*: what the events so far add up to,
in the reader's own form, and a seal over the rows of the file up to there. `resume` compares those
rows with the seal, which takes two microseconds an event, and follows the chain only from there on.

Beside the events lie *records*, for values that change with every event and would make the log too
long. A record is written in the transaction of an event, which has to name its digest.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from shotveil.models.common.checks import RangeError

FORMAT = 2  # since then the head says in which file it lies; there are snapshots and records
KEY_BYTES = 32
SEGMENT = 4096  # events that one seal of a snapshot covers

_EVENTS = """
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    digest BLOB NOT NULL
);
CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    sequence INTEGER NOT NULL,
    digest BLOB NOT NULL,
    seal BLOB NOT NULL,
    place INTEGER NOT NULL
);
CREATE TRIGGER events_are_final BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_stay BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
"""
_SINCE_2 = (
    "CREATE TABLE segments (last INTEGER PRIMARY KEY, seal BLOB NOT NULL)",
    "CREATE TABLE snapshot (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL, "
    "version TEXT NOT NULL, state BLOB NOT NULL, seal BLOB NOT NULL)",
    "CREATE TABLE records (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
)


@dataclass(frozen=True)
class Event:
    """One event of a log.

    sequence: Number of the event, from 1 on.
    time: Time of writing, in seconds since 1970.
    kind, body: What happened, as a word and as plain values.
    digest: HMAC over the event and the digest of its predecessor.
    """

    sequence: int
    time: float
    kind: str
    body: Mapping[str, Any]
    digest: bytes


@dataclass(frozen=True)
class Head:
    """The last event of a log. Keep a copy elsewhere to notice if an old log is put back."""

    sequence: int
    digest: bytes

    def __str__(self) -> str:
        return f"{self.sequence}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Return the head that `str` made this text of; raises `RangeError` for other text."""
        number, _, digest = text.partition(":")
        try:
            head = cls(int(number), bytes.fromhex(digest))
        except ValueError:
            head = cls(-1, b"")
        if head.sequence < 0 or len(head.digest) != hashlib.sha256().digest_size:
            raise RangeError(f"head = {text!r}; allowed: NUMBER:64 hexadecimal digits")
        return head


class EventLog:
    """The log at `path`.

    create: Whether a log is made where neither the file nor its key exists.
    adopt: Whether a file that was moved, copied or restored is accepted in its new place, which is
        written down as an event of the kind "place".
    key: File with the log's key; by default the one beside the log.

    Only one process at a time may have a log open for writing; its threads may share it. Raises
    `RangeError` when another process has it open, when the file or its key is missing, when the
    file is empty, is another one than was written last, or is no log.
    """

    def __init__(
        self,
        path: Path,
        *,
        writable: bool = True,
        create: bool = False,
        adopt: bool = False,
        key: Path | None = None,
    ) -> None:
        self.path: Path | str = path
        self._file = path.resolve()  # a link to a log is that log, and shares its lock
        self._guard = threading.RLock()
        self._lock_file: int | None = None
        self._database: sqlite3.Connection | None = None
        self._place = self._size = 0
        self._journal: int | None = None
        key_path = key or key_beside(self._file)
        exists, has_key = self._file.is_file(), key_path.exists()
        if not exists and not writable:
            raise RangeError(f"ledger {path} is not found; allowed: a file that Shotveil wrote")
        if not self._file.parent.is_dir():
            raise RangeError(f"ledger {path} is in no folder that exists")
        new = create and not exists and not has_key
        if writable and not exists and not new:
            raise _missing(path, key_path if has_key else None)
        if writable:
            self._lock_file = _take_lock(self._file)
        try:
            if new:
                _make(self._file, key_path)
            self._key = read_key(path, key_path)
            self._open(writable, adopt)
        except (sqlite3.DatabaseError, TypeError, ValueError) as error:
            self._release()
            if isinstance(error, RangeError):
                raise
            raise RangeError(f"ledger {path} is damaged or no ledger: {error}") from None
        except BaseException:
            self._release()
            raise

    def _open(self, writable: bool, adopt: bool) -> None:
        mode = "rw" if writable else "ro"
        self._database = database = sqlite3.connect(
            f"{self._file.as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=30,
        )
        (self._format,) = database.execute("PRAGMA user_version").fetchone()
        if not 1 <= self._format <= FORMAT:
            if self._format == 0 and not database.execute("SELECT * FROM sqlite_master").fetchall():
                raise _emptied(self.path)
            raise RangeError(
                f"ledger {self.path} has format {self._format}; allowed: up to {FORMAT}"
            )
        self._head = self._stored_head()
        if not writable:
            return
        status = self._file.stat()
        if status.st_nlink != 1:
            raise RangeError(
                f"ledger {self.path} has {status.st_nlink} names on this disk; allowed: one"
            )
        moved = self._format >= 2 and self._place != status.st_ino
        if moved and not adopt:
            raise RangeError(
                f"ledger {self.path} is not the file that was written last: it was copied, moved "
                "or restored, and its events may be old; if there is no newer one, "
                f"`shotveil ledger adopt {self.path}` accepts it, as an event"
            )
        self._place, self._size = status.st_ino, status.st_size
        if status.st_mode & 0o077:
            self._file.chmod(0o600)  # it holds names, sessions and what they cost
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        if self._format < 2:
            self._convert()
        if moved:
            self.append("place", {"file": self._place})

    def _convert(self) -> None:
        """Give a log of format 1 what it lacks; its events and its key stay as they are."""
        if self._head.sequence == 0:
            raise _emptied(self.path)
        database = self._open_database()
        database.execute("BEGIN IMMEDIATE")
        for statement in (
            "ALTER TABLE head ADD COLUMN place INTEGER NOT NULL DEFAULT 0",
            *_SINCE_2,
        ):
            database.execute(statement)
        self._format = FORMAT
        self._write_head(self._head)
        database.execute(f"PRAGMA user_version = {FORMAT}")
        database.execute("COMMIT")

    @property
    def head(self) -> Head:
        """The last event; a reader takes it from the file at each call."""
        return self._head if self._lock_file is not None else self._stored_head()

    @property
    def lasting(self) -> Head:
        """The last event that is surely kept, also if the power fails."""
        return self.head

    @property
    def key(self) -> bytes:
        """The log's key, which its owner alone may know."""
        return self._key

    @property
    def secret(self) -> bytes:
        """A secret key for hashes that only the log's owner can compute."""
        return hmac.new(self._key, b"names", hashlib.sha256).digest()

    @property
    def signing_secret(self) -> bytes:
        """A secret seed, 32 bytes, of the key that signs this log's checkpoints."""
        return hmac.new(self._key, b"checkpoints", hashlib.sha256).digest()

    def append(
        self, kind: str, body: Mapping[str, Any], records: Mapping[str, bytes] | None = None
    ) -> Event:
        """Write one event and return it; on return it is on disk, with its `records`."""
        return self.append_all([(kind, body)], records)[0]

    def append_all(
        self,
        events: Iterable[tuple[str, Mapping[str, Any]]],
        records: Mapping[str, bytes] | None = None,
        accept: Callable[[Event], None] = lambda event: None,
        *,
        at_once: bool = True,
    ) -> list[Event]:
        """Write all events and records or none; return the events, which are on disk then.

        records: Values by name; each replaces the one that had its name before.
        at_once: Whether they have to be on disk on return. Otherwise they are there at the latest
            with the next events that have to be, which takes far less time.
        accept: Function that is called with each event before the transaction ends. Where it
            raises, nothing is written.

        Raises `RangeError` where the file is no longer in its place.
        """
        with self._guard:
            head, written = self._head, []
            for kind, body in events:
                text = canonical(body)
                now = time.time()
                digest = self._digest(head.digest, head.sequence + 1, now, kind, text)
                head = Head(head.sequence + 1, digest)
                written.append((Event(head.sequence, now, kind, json.loads(text), digest), text))
            self.require_in_place()
            database = self._open_database()
            # With FULL, a committed transaction survives a failure of the power, and so do those
            # that were committed with NORMAL before it.
            database.execute(f"PRAGMA synchronous = {'FULL' if at_once else 'NORMAL'}")
            with _whole(database):
                database.executemany(
                    "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                    [(e.sequence, e.time, e.kind, text, e.digest) for e, text in written],
                )
                database.executemany(
                    "INSERT OR REPLACE INTO records VALUES (?, ?)", (records or {}).items()
                )
                self._write_head(head)
                for event, _ in written:
                    accept(event)
            self._head = head
            return [event for event, _ in written]

    def require_in_place(self) -> None:
        """Raise `RangeError` if the file or its journal was removed, replaced or cut short."""
        if self._lock_file is None:  # a reader's file may change, and nothing is lost
            return
        journal = self._file.with_name(self._file.name + "-wal")
        try:
            status = self._file.stat()
            beside = journal.stat().st_ino if self._journal or journal.exists() else None
        except OSError:
            status, beside = None, None
        if self._journal is None:
            self._journal = beside
        if (
            status is None
            or status.st_ino != self._place
            or status.st_size < self._size
            or beside != self._journal
        ):
            raise RangeError(
                f"ledger {self.path} was removed, replaced or cut while it was open; nothing more "
                "is written, and no light leaves"
            )
        self._size = status.st_size

    def record(self, name: str) -> bytes | None:
        """Return the record called `name`, as it lies in the file; None if there is none."""
        with self._guard:
            row = (
                self._open_database()
                .execute("SELECT value FROM records WHERE name = ?", (name,))
                .fetchone()
            )
        return None if row is None else bytes(row[0])

    def events(self, after: Head | None = None, stored: Head | None = None) -> Iterator[Event]:
        """Yield all events in order, or those `after` a head, each checked against the chain.

        stored: The head that the last one has to have; None means that of the file.

        Raises `RangeError` at the first event that was changed, removed or moved.
        """
        head = after or Head(0, b"")
        with self._reading():
            for sequence, moment, kind, text, digest in self._rows(head.sequence):
                if sequence != head.sequence + 1:
                    raise RangeError(
                        f"ledger {self.path}: event {head.sequence + 1} is missing, "
                        f"event {sequence} follows event {head.sequence}"
                    )
                try:
                    expected = self._digest(head.digest, sequence, moment, kind, text)
                    body = json.loads(text)
                except (TypeError, ValueError, AttributeError):
                    expected, body = b"", {}
                if not isinstance(digest, bytes) or not hmac.compare_digest(expected, digest):
                    raise RangeError(
                        f"ledger {self.path}: event {sequence} or its place in the order was "
                        "changed"
                    )
                head = Head(sequence, digest)
                yield Event(sequence, moment, kind, body, digest)
            stored = stored or self._stored_head()
        if stored != head:
            raise RangeError(
                f"ledger {self.path}: {stored.sequence} events were written, "
                f"but {head.sequence} are found"
            )

    def holds(self, head: Head) -> bool:
        """Return whether `head` is that of an event of this log, or of an empty one."""
        return head.sequence <= self.head.sequence and self._head_at(head.sequence) == head

    def head_at(self, sequence: int) -> Head:
        """Return the head of an event by its number. Raises `RangeError` for a missing one."""
        return self._head_at(sequence)

    def save(
        self,
        state: bytes,
        version: str,
        head: Head | None = None,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep `state`, what all events up to a head add up to, for `resume` with this version.

        head: The head; None means that of the last event.
        pause: Function that is called after every few events, for a caller that must not keep
            others from the processor.

        Raises `RangeError` where an event since the last call was changed in the file.
        """
        with self._guard:
            head = head or self._head
            (after, seal), rows = self._segments()[-1], []
            new, before = [], self._head_at(after)
            found = before == head
            events = () if found else self.events(before)
            # The chain says that these rows are what was appended; the seal then stands for them.
            for event, row in zip(events, self._rows(after), strict=False):
                rows.append(row)
                found = (event.sequence, event.digest) == (head.sequence, head.digest)
                if len(rows) == SEGMENT or found:
                    seal = self._segment_seal(seal, rows)
                    new.append((event.sequence, seal))
                    rows = []
                if found:
                    break
                if event.sequence % 64 == 0:
                    pause()
            if not found:
                raise RangeError(f"ledger {self.path} does not hold event {head.sequence}")
            kept = head.sequence, version, state
            self._store_snapshot(new, (*kept, self._snapshot_seal(*kept, seal)), after)

    def _store_snapshot(
        self, new: list[tuple[int, bytes]], kept: tuple[int, str, bytes, bytes], after: int
    ) -> None:
        """Write a snapshot, with its segments behind the one that ends `after` an event."""
        self.require_in_place()
        database = self._open_database()
        with _whole(database):
            database.executemany("INSERT INTO segments VALUES (?, ?)", new)
            database.execute("INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, ?, ?)", kept)

    def _stored_snapshot(self) -> tuple[int, str, bytes, bytes] | None:
        found = self._open_database().execute("SELECT last, version, state, seal FROM snapshot")
        row: tuple[int, str, bytes, bytes] | None = found.fetchone()
        return row

    def resume(self, version: str) -> tuple[bytes | None, Iterator[Event]]:
        """Return the last state that was saved, and an iterator over the events after it.

        The state is None, and the events are all, where none of this version was saved. Raises
        `RangeError`, also while the events are read, where anything in the file was changed.
        """
        if self._format < 2:
            return None, self.events()
        try:
            with self._reading():
                covered = self._check_segments()
                row = self._stored_snapshot()
                if row is None:
                    return None, self.events()
                last, of_version, state, seal = row
                before = self._segments()[-1][1]
                sealed = self._snapshot_seal(last, of_version, state, before)
                if last != covered or not hmac.compare_digest(sealed, seal):
                    raise RangeError(f"ledger {self.path}: its snapshot was changed")
                head = self._head_at(last)
        except (TypeError, ValueError, sqlite3.DatabaseError) as error:
            if isinstance(error, RangeError):
                raise
            raise RangeError(f"ledger {self.path} is damaged: {error}") from None
        return (None, self.events()) if of_version != version else (state, self.events(head))

    def _check_segments(self) -> int:
        """Compare all rows that segments cover with their seals; return the last of them."""
        rows, covered = self._rows(0), 0
        for (_, before), (last, seal) in pairwise(self._segments()):
            segment = list(islice(rows, last - covered))
            whole = len(segment) == last - covered and segment[-1][0] == last
            if not (whole and hmac.compare_digest(self._segment_seal(before, segment), seal)):
                raise RangeError(
                    f"ledger {self.path}: an event from {covered + 1} to {last} was changed"
                )
            covered = last
        return covered

    def verify(self, known: Head | None = None) -> Head:
        """Check the whole chain and return its head.

        known: A head that was written down earlier and must still be part of the chain. Raises
        `RangeError` where the chain is broken or does not hold `known`.
        """
        found, head = known is None or known.sequence == 0, Head(0, b"")
        for event in self.events():
            head = Head(event.sequence, event.digest)
            found = found or head == known
        if not found:
            raise RangeError(f"ledger {self.path} does not hold event {known}; it was replaced")
        return head

    def records(self) -> dict[str, bytes]:
        """Return all records by name."""
        rows = self._open_database().execute("SELECT name, value FROM records")
        return {name: bytes(value) for name, value in rows}

    def rows(self, last: int) -> Iterator[tuple[Any, ...]]:
        """Yield the events up to number `last` as they are stored, in order, unchecked."""
        for row in self._rows(0):
            if row[0] > last:
                return
            yield row

    def fill(
        self,
        rows: Iterable[tuple[Any, ...]],
        records: Mapping[str, bytes],
        head: Head,
        sure: Callable[[], None],
    ) -> None:
        """Write all events and records of another log of the same key into this empty one.

        sure: Function that is called when all is written and its chain was checked, and before it
            is kept; where it raises, this log stays empty.
        """
        database = self._open_database()
        with _whole(database):
            database.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
            database.executemany("INSERT INTO records VALUES (?, ?)", records.items())
            self._write_head(head)
            self.verify()
            sure()
        self._head = head

    def copy_to(self, path: Path) -> None:
        """Write the log as it is now to a new file, while another process may go on writing it."""
        copy = sqlite3.connect(path)
        try:
            with self._guard:
                self._open_database().backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # so that the copy is this one file
        finally:
            copy.close()

    def close(self) -> None:
        """Close the file and release its lock."""
        self._release()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_database(self) -> sqlite3.Connection:
        if self._database is None:
            raise RangeError(f"ledger {self.path} is closed; allowed: an open one")
        return self._database

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Let a reader see the file as it is now, while another process goes on writing."""
        database = self._open_database()
        begun = self._lock_file is None and not database.in_transaction
        if begun:
            database.execute("BEGIN")
        try:
            yield
        finally:
            if begun and self._database is not None and database.in_transaction:
                database.execute("ROLLBACK")

    def _rows(self, after: int) -> Iterator[tuple[Any, ...]]:
        try:
            found = self._open_database().execute(
                "SELECT sequence, time, kind, body, digest FROM events WHERE sequence > ? "
                "ORDER BY sequence",
                (after,),
            )
            # A `yield from` would close the cursor, perhaps of a log that is closed by then.
            for row in found:  # noqa: UP028
                yield row
        except (sqlite3.DatabaseError, OverflowError) as error:
            raise RangeError(f"ledger {self.path} is damaged: {error}") from None

    def _segments(self) -> list[tuple[int, bytes]]:
        """Return the last event and the seal of each segment, with one before the first."""
        rows = self._open_database().execute("SELECT last, seal FROM segments ORDER BY last")
        return [(0, b""), *((int(last), bytes(seal)) for last, seal in rows)]

    def _head_at(self, sequence: int) -> Head:
        if sequence == 0:
            return Head(0, b"")
        row = self._open_database().execute(
            "SELECT digest FROM events WHERE sequence = ?", (sequence,)
        )
        found = row.fetchone()
        if found is None:
            raise RangeError(f"ledger {self.path}: event {sequence} is missing")
        return Head(sequence, bytes(found[0]))

    def _stored_head(self) -> Head:
        place = ", place" if self._format >= 2 else ""
        database = self._open_database()
        row = database.execute(f"SELECT sequence, digest, seal{place} FROM head").fetchone()
        if row is None:
            if self._format >= 2:
                raise _emptied(self.path)
            return Head(0, b"")
        head = Head(int(row[0]), bytes(row[1]))
        self._place = int(row[3]) if place else 0
        if not hmac.compare_digest(self._head_seal(head), bytes(row[2])):
            raise RangeError(f"ledger {self.path}: the record of its last event was changed")
        return head

    def _write_head(self, head: Head) -> None:
        self._open_database().execute(
            "INSERT OR REPLACE INTO head (one, sequence, digest, seal, place) "
            "VALUES (1, ?, ?, ?, ?)",
            (head.sequence, head.digest, self._head_seal(head), self._place),
        )

    def _head_seal(self, head: Head) -> bytes:
        place = f" in file {self._place}" if self._format >= 2 else ""
        return hmac.new(self._key, f"last event {head}{place}".encode(), hashlib.sha256).digest()

    def _segment_seal(self, before: bytes, rows: list[tuple[Any, ...]]) -> bytes:
        return hmac.digest(self._key, b"segment " + before + repr(rows).encode(), "sha256")

    def _snapshot_seal(self, last: int, version: str, state: bytes, segment: bytes) -> bytes:
        said = repr((last, version, hashlib.sha256(state).hexdigest(), segment))
        return hmac.digest(self._key, f"snapshot {said}".encode(), "sha256")

    def _digest(self, previous: bytes, sequence: int, moment: float, kind: str, text: str) -> bytes:
        # JSON separates the fields, so that two different events never have the same message.
        message = json.dumps([previous.hex(), sequence, moment, kind, text]).encode()
        return hmac.digest(self._key, message, "sha256")

    def _release(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(body: Mapping[str, Any]) -> str:
    """Return the one text of an event's body that its digest is of."""
    return _CANONICAL.encode(body)


def _missing(path: Path, key: Path | None) -> RangeError:
    if key is None:
        return RangeError(
            f"ledger {path} is not found; allowed: one that `shotveil ledger init {path}` made"
        )
    return RangeError(
        f"ledger {path} is gone and its key {key} is there; put the ledger back, since what leaked "
        "stays leaked"
    )


@contextmanager
def _whole(database: sqlite3.Connection) -> Iterator[None]:
    """Keep all that the block writes, or none of it where the block raises."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _emptied(path: Path | str) -> RangeError:
    return RangeError(
        f"ledger {path} is empty; allowed: one with all its events, so put back the last copy"
    )


def _take_lock(path: Path) -> int:
    """Lock a file beside the log; the system releases it when this process ends in any way.

    Raises `RangeError` where another process holds the lock.
    """
    descriptor = os.open(lock_beside(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise RangeError(f"ledger {path} is in use by another process; allowed: one") from None
    return descriptor


def discard(path: Path) -> None:
    """Remove a log and its key, where they are there: those of a demonstration, which begins anew.

    Raises `RangeError` where another process has the log open.
    """
    lock = _take_lock(path)
    try:
        for file in (*files_of(path), key_beside(path)):
            file.unlink(missing_ok=True)
    finally:
        os.close(lock)  # the file of the lock stays: another process may be about to lock it


def key_beside(path: Path) -> Path:
    """Return where the key of the log at `path` is, unless it was told otherwise."""
    return path.with_name(path.name + ".key")


def files_of(path: Path) -> list[Path]:
    """Return the files that SQLite keeps the log at `path` in; the last two come and go."""
    return [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]


def lock_beside(path: Path) -> Path:
    """Return the file that is locked by who has the log at `path` open for writing."""
    return path.with_name(path.name + ".lock")


def _make(path: Path, key_path: Path) -> None:
    """Make an empty log and its key, each under another name first: no half of one is ever seen."""
    key = secrets.token_bytes(KEY_BYTES)
    for final, data in ((key_path, key), (path, b"")):
        temporary = final.with_name(f"{final.name}.{os.getpid()}")
        write_new(temporary, data)
        if final == path:
            write_empty(temporary, key)
        temporary.replace(final)


def write_new(path: Path, data: bytes) -> None:
    """Write a new file that its owner alone can read; it is on disk on return."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_empty(path: Path, key: bytes) -> None:
    """Make the file at `path`, which is empty, a log without events."""
    log = EventLog.__new__(EventLog)
    log.path, log._key, log._format, log._place = path, key, FORMAT, path.stat().st_ino
    log._lock_file, log._database = None, sqlite3.connect(path)
    log._database.executescript(_EVENTS + ";".join(_SINCE_2))
    log._database.execute(f"PRAGMA user_version = {FORMAT}")
    log._write_head(Head(0, b""))
    log._database.commit()
    log._release()


def read_key(path: Path | str, key_path: Path) -> bytes:
    """Return the key of the log at `path`. Raises `RangeError` where it cannot be read."""
    try:
        key = key_path.read_bytes()
    except OSError:
        raise RangeError(f"key {key_path} of ledger {path} cannot be read") from None
    if len(key) != KEY_BYTES:
        raise RangeError(f"key {key_path} has {len(key)} bytes; allowed: {KEY_BYTES}")
    return key
