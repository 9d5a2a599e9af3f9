"""An append-only, hash-chained log of events in one SQLite file.

An event is on disk before the call that appends it returns. Every event carries an HMAC-SHA256 over
itself and the HMAC of its predecessor. A sealed head record, written in the same transaction, says
which event is the last. So without the key no event, not even the last one, can be edited, removed
or moved. The key is a file beside the log that only its owner can read. An old copy of the whole
log can still be put back. Only a head that was written down elsewhere reveals that, and `verify`
accepts such a head.

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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shotveil.models.common.checks import RangeError

FORMAT = 1
KEY_BYTES = 32

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    digest BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    sequence INTEGER NOT NULL,
    digest BLOB NOT NULL,
    seal BLOB NOT NULL
);
CREATE TRIGGER IF NOT EXISTS events_are_final BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER IF NOT EXISTS events_stay BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TABLE IF NOT EXISTS records (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);
"""


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
    """The log at `path`. A writable log is created if it does not exist.

    Only one process at a time may have a log open for writing; its threads may share it. Raises
    `RangeError` when another process has it open, when the file or its key is missing, or when the
    file is no log.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._lock_file: int | None = None
        exists = path.is_file()
        if not exists and not writable:
            raise RangeError(f"ledger {path} is not found; allowed: a file that Shotveil wrote")
        if writable and not path.parent.is_dir():
            raise RangeError(f"ledger {path} is in no folder that exists")
        if writable:
            self._lock_file = _take_lock(path)
        try:
            self._key = _key(path, create=writable and not exists)
            mode = "rwc" if writable else "ro"
            self._database = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=30,
            )
            if writable:
                # With FULL, a committed transaction survives a power failure.
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = FULL")
                self._database.executescript(_SCHEMA)
                version = self._database.execute("PRAGMA user_version").fetchone()[0]
                if version == 0:
                    self._database.execute(f"PRAGMA user_version = {FORMAT}")
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version != FORMAT:
                raise RangeError(f"ledger {path} has format {version}; allowed: {FORMAT}")
            self._head = self._stored_head()
        except (sqlite3.DatabaseError, TypeError, ValueError) as error:
            self._release()
            if isinstance(error, RangeError):
                raise
            raise RangeError(f"ledger {path} is damaged or no ledger: {error}") from None
        except BaseException:
            self._release()
            raise

    @property
    def head(self) -> Head:
        """The last event; a reader takes it from the file at each call."""
        return self._head if self._lock_file is not None else self._stored_head()

    @property
    def secret(self) -> bytes:
        """A secret key for hashes that only the log's owner can compute."""
        return hmac.new(self._key, b"names", hashlib.sha256).digest()

    def append(
        self, kind: str, body: Mapping[str, Any], records: Mapping[str, bytes] | None = None
    ) -> Event:
        """Write one event and return it; on return it is on disk, with its `records`."""
        return self.append_all([(kind, body)], records)[0]

    def append_all(
        self,
        events: Iterable[tuple[str, Mapping[str, Any]]],
        records: Mapping[str, bytes] | None = None,
    ) -> list[Event]:
        """Write all events and records or none, and return the events; then they are on disk."""
        with self._guard:
            head, written = self._head, []
            for kind, body in events:
                text = _canonical(body)
                now = time.time()
                digest = self._digest(head.digest, head.sequence + 1, now, kind, text)
                head = Head(head.sequence + 1, digest)
                written.append((Event(head.sequence, now, kind, json.loads(text), digest), text))
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(
                    "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                    [(e.sequence, e.time, e.kind, text, e.digest) for e, text in written],
                )
                self._database.execute(
                    "INSERT OR REPLACE INTO head VALUES (1, ?, ?, ?)",
                    (head.sequence, head.digest, self._seal(head)),
                )
                self._database.executemany(
                    "INSERT OR REPLACE INTO records VALUES (?, ?)", (records or {}).items()
                )
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
            self._head = head
            return [event for event, _ in written]

    def record(self, name: str) -> bytes | None:
        """Return the record called `name`, as it lies in the file; None if there is none."""
        with self._guard:
            row = self._database.execute(
                "SELECT value FROM records WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def events(self) -> Iterator[Event]:
        """Yield all events in order, each checked against the chain.

        Raises `RangeError` at the first event that was changed, removed or moved.
        """
        head = Head(0, b"")
        for sequence, moment, kind, text, digest in self._rows():
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
                    f"ledger {self.path}: event {sequence} or its place in the order was changed"
                )
            head = Head(sequence, digest)
            yield Event(sequence, moment, kind, body, digest)
        stored = self._stored_head()
        if stored != head:
            raise RangeError(
                f"ledger {self.path}: {stored.sequence} events were written, "
                f"but {head.sequence} are found"
            )

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

    def close(self) -> None:
        """Close the file and release its lock."""
        self._database.close()
        self._release()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._database.execute(
                "SELECT sequence, time, kind, body, digest FROM events ORDER BY sequence"
            )
        except (sqlite3.DatabaseError, OverflowError) as error:
            raise RangeError(f"ledger {self.path} is damaged: {error}") from None

    def _stored_head(self) -> Head:
        row = self._database.execute("SELECT sequence, digest, seal FROM head").fetchone()
        if row is None:
            return Head(0, b"")
        head = Head(int(row[0]), bytes(row[1]))
        if not hmac.compare_digest(self._seal(head), bytes(row[2])):
            raise RangeError(f"ledger {self.path}: the record of its last event was changed")
        return head

    def _seal(self, head: Head) -> bytes:
        return hmac.new(self._key, f"last event {head}".encode(), hashlib.sha256).digest()

    def _digest(self, previous: bytes, sequence: int, moment: float, kind: str, text: str) -> bytes:
        # JSON separates the fields, so that two different events never have the same message.
        message = json.dumps([previous.hex(), sequence, moment, kind, text]).encode()
        return hmac.new(self._key, message, hashlib.sha256).digest()

    def _release(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


def _canonical(body: Mapping[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _take_lock(path: Path) -> int:
    """Lock a file beside the log; the system releases it when this process ends in any way.

    Raises `RangeError` where another process holds the lock.
    """
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise RangeError(f"ledger {path} is in use by another process; allowed: one") from None
    return descriptor


def _key(path: Path, *, create: bool) -> bytes:
    key_path = path.with_name(path.name + ".key")
    if create and not key_path.exists():
        # Written to a temporary file first: if this process is killed half-way, a partial key must
        # not lock the owner out.
        temporary = key_path.with_name(f"{key_path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(key_path)
    try:
        key = key_path.read_bytes()
    except OSError:
        raise RangeError(f"key {key_path} of ledger {path} cannot be read") from None
    if len(key) != KEY_BYTES:
        raise RangeError(f"key {key_path} has {len(key)} bytes; allowed: {KEY_BYTES}")
    return key
