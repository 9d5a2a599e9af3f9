"""The log of events in a PostgreSQL database, which all servers of a fleet write.

It is the log of `host.ledger.event_log` in another store: the same events, bytes and HMACs, so a
log can be copied from one to the other. The row of the head is locked by whoever writes, so there
is one order of events over all servers, and the chain of hashes has no branches. It gives the lock
back before what it wrote is on the database's disk, and then waits for the disk beside the others,
who may go on from there meanwhile. What is surely on the disk it says in the table `lasting`, in a
transaction of its own, which the database shows to others only when it is on the disk itself.

The key never enters the database. It is a file that each server has, named in the address:
`postgresql://user@host/database?key=FILE`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from shotveil.host.ledger.event_log import (
    Event,
    EventLog,
    Head,
    canonical,
    lock_beside,
    read_key,
    write_empty,
)
from shotveil.host.ledger.postgres_tables import FORMAT, upgrade
from shotveil.models.common.checks import RangeError

PAGE = 512  # rows that are read at a time
LOCK_SECONDS, IDLE_SECONDS = 30, 10  # a server that stands still with the lock loses it

# All that a turn writes, in one question to the database: it holds the lock meanwhile.
_APPEND = (
    "WITH added AS (INSERT INTO events SELECT * FROM unnest($1, $2, $3, $4, $5)), "
    "kept AS (INSERT INTO records SELECT * FROM unnest($6, $7) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value) "
    "UPDATE head SET sequence = $8, digest = $9, seal = $10 "
    "RETURNING set_config('synchronous_commit', 'off', true)"
)
_LASTING = (
    "INSERT INTO lasting VALUES (pg_backend_pid(), $1) "
    "ON CONFLICT (writer) DO UPDATE SET last = greatest(lasting.last, excluded.last)"
)
_HEAD = "SELECT sequence, digest, seal, place, format, (SELECT max(last) FROM lasting) FROM head"
_ROWS = (
    "SELECT sequence, time, kind, body, digest FROM events WHERE sequence > %s "
    f"ORDER BY sequence LIMIT {PAGE}"
)


# What is prepared once on the connection of turns.
_PREPARED = (
    f"PREPARE turn_head AS {_HEAD} FOR UPDATE",
    f"PREPARE turn_rows (bigint) AS {_ROWS % '$1'}",
    "PREPARE turn_append (bigint[], float8[], text[], text[], bytea[], text[], bytea[], bigint, "
    f"bytea, bytea) AS {_APPEND}",
    f"PREPARE turn_lasting (bigint) AS {_LASTING}",
)


class PostgresLog(EventLog):
    """The log in the database at `address`, postgresql://USER@HOST/DATABASE?key=FILE.

    writable, create, adopt: As for `EventLog`; any number of processes may have it open.

    Threads may share it, but only one at a time may append: `begin` takes the lock of the log over
    all servers, `finish` writes and releases it. Raises `RangeError` where the database cannot be
    reached or holds no log, another log, or one of another place.
    """

    def __init__(
        self, address: str, *, writable: bool = True, create: bool = False, adopt: bool = False
    ) -> None:
        url, key_path = split_address(address)
        self._key_path = key_path
        self.path = url.set(query={}).render_as_string()
        self._writable = writable
        self._guard = threading.RLock()
        self._local = threading.local()
        self._turn: sa.Connection | None = None
        self._lock_file, self._database = None, None
        self._format, self._place = FORMAT, 0
        self._broken = False
        self._events: list[tuple[Any, ...]] = []  # of this turn, that are not yet in the database
        self._values: dict[str, bytes] = {}
        self._at_once = False
        self._lasting = Head(0, b"")  # the last one that is surely on the database's disk
        self._surely = 0  # number of the last event that the database said is on its disk
        self._unsure: deque[Head] = deque()  # heads after `_lasting`, which may not be there yet
        self._page: tuple[int, list[tuple[Any, ...]]] | None = None  # read with the lock
        self._engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=2,
            max_overflow=100,
            connect_args={
                "options": f"-c lock_timeout={LOCK_SECONDS}s "
                "-c synchronous_commit=on -c client_min_messages=warning"
            },
        )
        try:
            with self._reading():
                exists = self._query("SELECT to_regclass('head')")[0][0] is not None
                for (written,) in self._query("SELECT format FROM head") if exists else ():
                    self._require_format(written)
            if create and not exists:
                self._key = read_key(self.path, key_path)
                self._make()
            elif not exists:
                raise RangeError(
                    f"ledger {self.path} is not found; allowed: a database in which "
                    "`shotveil ledger init` or `shotveil ledger move` made one"
                )
            self._key = read_key(self.path, key_path)
            with self._reading():
                self._head = self._lasting = self._stored_head()
                here = self._here()
            moved = self._place != here
            if writable and moved and not adopt:
                raise RangeError(
                    f"ledger {self.path} is in another database than it was written in: it was "
                    "copied or restored, and its events may be old; if there is no newer one, "
                    f"`shotveil ledger adopt '{address}'` accepts it, as an event"
                )
            if writable and moved:
                self.begin()
                self._place = here
                self.append("place", {"file": here})
                self._query("UPDATE head SET place = %s RETURNING 1", (here,))
                self.finish()
        except BaseException:
            self.close()
            raise

    @property
    def head(self) -> Head:
        """The last event that this process knows; a reader asks the database."""
        return self._head if self._writable else self._stored_head()

    @property
    def lasting(self) -> Head:
        """The last event that is surely on the database's disk, as far as this process knows."""
        return self._lasting if self._writable else self._stored_head()

    def begin(self) -> Head:
        """Take the lock of the log over all servers, and return its head."""
        try:
            with self._told():
                if self._turn is None:
                    self._turn = self._engine.connect().execution_options(
                        isolation_level="AUTOCOMMIT"  # a turn says itself where it begins and ends
                    )
                    for statement in (
                        f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'",
                        *_PREPARED,
                        # Of servers that are gone; the others say it again.
                        "DELETE FROM lasting WHERE last < (SELECT max(last) FROM lasting)",
                    ):
                        self._turn.exec_driver_sql(statement)
                self._local.connection, self._broken = self._turn, False
                self._events, self._values, self._at_once = [], {}, False
                database: Any = self._turn.connection.driver_connection
                after = self._head.sequence
                # All on one way there and back. The last question is put when the lock is there.
                # Not as a pipeline, at whose end psycopg may stop the clock of an idle transaction.
                found = database.execute(
                    "BEGIN ISOLATION LEVEL READ COMMITTED; EXECUTE turn_head; "
                    f"EXECUTE turn_rows ({after:d})",
                    prepare=False,
                )
                found.nextset()
                head = found.fetchall()
                found.nextset()
                self._page = after, found.fetchall()
                stored = self._read_head(head)
                self._surely = head[0][5] or 0
                return stored
        except BaseException:
            self._give_up()
            raise

    def join(self) -> None:
        """Let this thread write in the turn that another thread of this process began."""
        self._local.connection = self._turn

    def leave(self) -> None:
        """Let this thread write no more in a turn that another thread goes on with."""
        self._local.connection = None

    def finish(self, *, keep: bool = True) -> None:
        """Release the lock; with `keep` all that was appended is on disk, without it is gone.

        Others have the lock already while this waits for the disk.
        """
        assert self._turn is not None
        try:
            if keep:
                self._put_down(last=True)
                if self._at_once:
                    self._lasting = self._head
                    self._unsure.clear()
        except BaseException:
            keep = False
            raise
        finally:
            self._local.connection = self._page = None
            if not keep:
                self._give_up()

    def _put_down(self, *, last: bool = False) -> None:
        """Write what was appended in this turn to the database; the `last` time, end the turn."""
        events, kept, self._events, self._values = self._events, self._values, [], {}
        if not events and not last:
            return
        head = self._head
        assert self._turn is not None
        database: Any = self._turn.connection.driver_connection
        asked: list[str] = []
        values: list[Any] = []
        if events:
            asked.append(f"EXECUTE turn_append ({', '.join(['%s'] * 10)})")
            values += [*map(list, zip(*events, strict=True)), list(kept), list(kept.values())]
            values += [head.sequence, head.digest, self._head_seal(head)]
        if last:
            asked.append("COMMIT")
            if self._at_once:
                asked.append("EXECUTE turn_lasting (%s)")
                values.append(head.sequence)
        # All on one way there and back, for which all other servers wait up to the COMMIT.
        with self._told():
            done = psycopg.ClientCursor(database).execute("; ".join(asked), values)
        if events and last:
            done.nextset()
        if last and done.statusmessage != "COMMIT":  # as after an error before
            raise RangeError(f"ledger {self.path}: the database did not keep what was written")

    def _give_up(self) -> None:
        """Drop the connection of a turn, whatever state it is in; the database undoes the turn."""
        turn, self._turn, self._local.connection = self._turn, None, None
        if turn is not None:
            with suppress(sa.exc.SQLAlchemyError):
                turn.invalidate()
            turn.close()

    def append_all(
        self,
        events: Iterable[tuple[str, Mapping[str, Any]]],
        records: Mapping[str, bytes] | None = None,
        accept: Callable[[Event], None] = lambda event: None,
        *,
        at_once: bool = True,
    ) -> list[Event]:
        """Write as `EventLog.append_all`, in this thread's turn or, without one, in its own.

        A turn in which nothing has to be there `at_once` does not wait for the database's disk.
        """
        if getattr(self._local, "connection", None) is None:
            with self._guard:
                stored = self.begin()
                try:
                    if stored != self._head:
                        raise RangeError(f"ledger {self.path} was written meanwhile; try again")
                    written = self.append_all(events, records, accept, at_once=at_once)
                except BaseException:
                    self.finish(keep=False)
                    raise
                self.finish()
                return written
        written, self._page = [], None
        for kind, body in events:
            text, now = canonical(body), time.time()
            sequence = self._head.sequence + 1
            digest = self._digest(self._head.digest, sequence, now, kind, text)
            event = Event(sequence, now, kind, json.loads(text), digest)
            accept(event)
            self._events.append((sequence, now, kind, text, digest))
            self._head = Head(sequence, digest)
            self._unsure.append(self._head)
            written.append(event)
        self._values |= records or {}
        self._at_once |= at_once
        return written

    @property
    def broken(self) -> bool:
        """Whether something went wrong in this turn, so that it cannot be kept."""
        return self._broken

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Let this thread see the log at one moment, which `head` then is."""
        with self._reading():
            self._head = self._stored_head()
            yield

    def seen(self, head: Head) -> None:
        """Take a head that `begin` returned, because everything was read anew."""
        self._head = head
        self._unsure.clear()

    def follow(self, apply: Callable[[Event], None], stored: Head) -> int:
        """Call `apply` with each event that other servers wrote; return how many there were.

        stored: The head that `begin` returned.

        Raises `RangeError` where the database holds less than this process has seen, or other
        events.
        """
        self._note_lasting()
        if stored == self._head:
            return 0
        if stored.sequence <= self._head.sequence:
            raise RangeError(
                f"ledger {self.path} was rolled back: it has {stored.sequence} events, and this "
                f"server has seen {self._head.sequence}; nothing more is written"
            )
        before = self._head.sequence
        for event in self.events(self._head, stored):
            apply(event)
            self._head = Head(event.sequence, event.digest)
            self._unsure.append(self._head)
            self._note_lasting()
        return self._head.sequence - before

    def catch_up(self, apply: Callable[[Event], None]) -> int:
        """Do as `follow` without the lock, while nobody in this process has it."""
        with self._reading():
            return self.follow(apply, self._stored_head())

    def _note_lasting(self) -> None:
        while self._unsure and self._unsure[0].sequence <= self._surely:
            self._lasting = self._unsure.popleft()

    def require_lasting(self, stored: Head) -> None:
        """Raise `RangeError` unless the database holds all that was surely on its disk.

        stored: The head that `begin` returned. What was not may be lost if the machine fails.
        """
        if stored.sequence < self._lasting.sequence or not self.holds(self._lasting):
            raise RangeError(
                f"ledger {self.path} was rolled back: it has {stored.sequence} events, and this "
                f"server has seen {self._lasting.sequence}; nothing more is written"
            )

    def require_in_place(self) -> None:
        """Do nothing: `begin` checks the head in the database."""

    def record(self, name: str) -> bytes | None:
        """Return the record called `name`; None if there is none."""
        rows = self._query("SELECT value FROM records WHERE name = %s", (name,))
        return bytes(rows[0][0]) if rows else None

    def records(self) -> dict[str, bytes]:
        """Return all records by name."""
        return {name: bytes(value) for name, value in self._query("SELECT * FROM records")}

    def fill(
        self,
        rows: Iterable[tuple[Any, ...]],
        records: Mapping[str, bytes],
        head: Head,
        sure: Callable[[], None],
    ) -> None:
        """Write all events and records of another log, as `EventLog.fill`."""
        if self.begin() != Head(0, b""):
            self.finish(keep=False)
            raise RangeError(f"ledger {self.path} is not empty; allowed: a new one")
        self._page = None
        try:
            left = iter(rows)
            while page := list(islice(left, PAGE)):
                with self._told():
                    self._local.connection.exec_driver_sql(
                        "INSERT INTO events VALUES (%s, %s, %s, %s, %s)", page
                    )
            self._put_records(records.items())
            with self._told():
                self._local.connection.exec_driver_sql(
                    "UPDATE head SET sequence = %s, digest = %s, seal = %s",
                    (head.sequence, head.digest, self._head_seal(head)),
                )
            self.verify()
            sure()
        except BaseException:
            self.finish(keep=False)
            raise
        self._head, self._at_once = head, True
        self.finish()

    def holds(self, head: Head) -> bool:
        """Return whether `head` is that of an event in the database, or of an empty log."""
        try:
            return self._head_at(head.sequence) == head
        except RangeError:
            return False

    def copy_to(self, path: Path) -> None:
        """Write the log as it is now to a new file, as one that `EventLog` reads."""
        write_empty(path, self._key)
        try:
            with self.moment(), EventLog(path, key=self._key_path) as copy:
                head = self._head
                copy.fill(self.rows(head.sequence), self.records(), head, lambda: None)
        finally:
            lock_beside(path).unlink(missing_ok=True)

    def close(self) -> None:
        """Close all connections, which releases whatever they held."""
        if self._turn is not None:
            self._turn.close()
            self._turn = None
        self._engine.dispose()

    def hold_name(self, name: str) -> Any:
        """Return a connection that holds a name in the database as long as it is open."""
        with self._told():
            holder = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            holder.detach()  # the pool would keep it open, with the name
            holder.exec_driver_sql("SELECT pg_advisory_lock(%s)", (_number(name),))
            return holder

    def is_open(self, holder: Any) -> bool:
        """Return whether a connection that holds a name has not been cut."""
        try:
            holder.exec_driver_sql("SELECT 1")
        except sa.exc.SQLAlchemyError:
            holder.invalidate()
            holder.close()
            return False
        return True

    def is_held(self, name: str) -> bool:
        """Return whether a process that is connected holds a name."""
        return not self._query("SELECT pg_try_advisory_xact_lock(%s)", (_number(name),))[0][0]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
            self._broken = True
            raise RangeError(f"ledger {self.path}: {_said(error)}") from None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Let this thread see the database as it is now, while others go on writing."""
        if getattr(self._local, "connection", None) is not None:
            yield
            return
        with self._told(), self._engine.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
            self._local.connection = connection
            try:
                yield
            finally:
                self._local.connection = None

    def _in_turn(self) -> bool:
        return self._turn is not None and getattr(self._local, "connection", None) is self._turn

    def _query(self, statement: str, values: tuple[Any, ...] = ()) -> Sequence[Any]:
        with self._reading(), self._told():
            if self._in_turn():
                self._put_down()
            return self._local.connection.exec_driver_sql(statement, values).fetchall()

    def _rows(self, after: int) -> Iterator[tuple[Any, ...]]:
        while True:
            page: Sequence[Any]
            if self._page is not None and self._in_turn() and self._page[0] == after:
                page, self._page = self._page[1], None
            else:
                page = self._query(_ROWS, (after,))
            yield from map(tuple, page)
            if len(page) < PAGE:
                return
            after = page[-1][0]

    def _segments(self) -> list[tuple[int, bytes]]:
        rows = self._query("SELECT last, seal FROM segments ORDER BY last")
        return [(0, b""), *((int(last), bytes(seal)) for last, seal in rows)]

    def _head_at(self, sequence: int) -> Head:
        if sequence == 0:
            return Head(0, b"")
        rows = self._query("SELECT digest FROM events WHERE sequence = %s", (sequence,))
        if not rows:
            raise RangeError(f"ledger {self.path}: event {sequence} is missing")
        return Head(sequence, bytes(rows[0][0]))

    def _stored_head(self) -> Head:
        return self._read_head(self._query(_HEAD))

    def _read_head(self, rows: Sequence[Any]) -> Head:
        if not rows:
            raise RangeError(f"ledger {self.path} is empty; put back the last copy")
        sequence, digest, seal, self._place, written, _ = rows[0]
        self._require_format(written)
        head = Head(int(sequence), bytes(digest))
        if not hmac.compare_digest(self._head_seal(head), bytes(seal)):
            raise RangeError(
                f"ledger {self.path}: the record of its last event was changed, or the key is not "
                "its key"
            )
        return head

    def _require_format(self, written: int) -> None:
        if written != FORMAT:
            raise RangeError(
                f"ledger {self.path} has format {written}; allowed: {FORMAT}"
                + (", which `shotveil ledger upgrade` makes of it" if written < FORMAT else "")
            )

    def _stored_snapshot(self) -> tuple[int, str, bytes, bytes] | None:
        rows = self._query("SELECT last, version, state, seal FROM snapshot")
        return (rows[0][0], rows[0][1], bytes(rows[0][2]), bytes(rows[0][3])) if rows else None

    def save(
        self,
        state: bytes,
        version: str,
        head: Head | None = None,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep a state as `EventLog.save`, outside a turn; others go on writing meanwhile."""
        with self._reading():
            super().save(state, version, head, pause)

    def _store_snapshot(
        self, new: list[tuple[int, bytes]], kept: tuple[int, str, bytes, bytes], after: int
    ) -> None:
        with self._told(), self._engine.begin() as connection:
            run = connection.exec_driver_sql
            run("LOCK TABLE segments IN EXCLUSIVE MODE")  # which lets others read
            if run("SELECT coalesce(max(last), 0) FROM segments").scalar_one() != after:
                return  # another server made one meanwhile
            for segment in new:
                run("INSERT INTO segments VALUES (%s, %s)", segment)
            run("DELETE FROM snapshot")
            run("INSERT INTO snapshot VALUES (1, %s, %s, %s, %s)", kept)

    def _put_records(self, records: Iterable[tuple[str, bytes]]) -> None:
        for name, value in records:
            with self._told():
                self._local.connection.exec_driver_sql(
                    "INSERT INTO records VALUES (%s, %s) "
                    "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (name, value),
                )

    def _here(self) -> int:
        """Return a number of this database: another one after a dump was read elsewhere."""
        (row,) = self._query(
            "SELECT system_identifier, oid FROM pg_control_system(), pg_database "
            "WHERE datname = current_database()"
        )
        digest = hashlib.sha256(f"{row[0]} {row[1]}".encode()).digest()
        return int.from_bytes(digest[:7], "big")

    def _make(self) -> None:
        self._place = self._here()
        empty = Head(0, b"")
        with self._told(), self._engine.begin() as connection:
            upgrade(connection)
            connection.exec_driver_sql(
                "INSERT INTO head VALUES (1, %s, 0, %s, %s, %s)",
                (FORMAT, b"", self._head_seal(empty), self._place),
            )


def upgrade_database(address: str) -> None:
    """Give the ledger at `address` the tables of this version. Its events stay as they are.

    Raises `RangeError` where there is no ledger, or one of a later version.
    """
    url, _ = split_address(address)
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"))
    path = url.set(query={}).render_as_string()
    try:
        with engine.begin() as connection:
            if not sa.inspect(connection).has_table("head"):
                raise RangeError(f"ledger {path} is not found; allowed: a database with one")
            upgrade(connection)
    except sa.exc.SQLAlchemyError as error:
        raise RangeError(f"ledger {path} cannot be upgraded: {_said(error)}") from None
    finally:
        engine.dispose()


def _said(error: Exception) -> str:
    """Return the first line of what the database said of an error."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else str(error)


def split_address(address: str) -> tuple[sa.URL, Path]:
    """Return the URL of a database without the key, and the path of the key.

    Raises `RangeError` for an address that names no key or holds a password.
    """
    try:
        url = sa.make_url(address)
    except sa.exc.ArgumentError:
        raise RangeError(f"ledger = {address!r} is no address; allowed: {_ALLOWED}") from None
    if url.password:
        raise RangeError(
            "the ledger's address holds a password; allowed: one in ~/.pgpass, in PGPASSFILE or in "
            "PGPASSWORD, which no list of processes shows"
        )
    key = url.query.get("key")
    if not isinstance(key, str) or not key:
        raise RangeError(f"ledger = {address!r} names no key; allowed: {_ALLOWED}")
    return url.difference_update_query(["key"]), Path(key)


_ALLOWED = "postgresql://USER@HOST/DATABASE?key=FILE"


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
