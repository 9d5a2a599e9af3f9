"""The log of events in a PostgreSQL database, which all servers of a fleet write.

It is the log of `host.ledger.event_log` in another store: the same events, bytes and HMACs, so a
log can be copied from one to the other. The row of the head is locked by whoever writes, so there
is one order of events over all servers, and the chain of hashes has no branches.

The key never enters the database. It is a file that each server has, named in the address:
`postgresql://user@host/database?key=FILE`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from shotveil.host.ledger.event_log import (
    FORMAT,
    Event,
    EventLog,
    Head,
    canonical,
    lock_beside,
    read_key,
    write_empty,
)
from shotveil.models.common.checks import RangeError

PAGE = 4096  # rows that are read at a time
LOCK_SECONDS, IDLE_SECONDS = 30, 10  # a server that stands still with the lock loses it

_TABLES = sa.MetaData()
sa.Table(
    "events",
    _TABLES,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
)
sa.Table(
    "head",
    _TABLES,
    sa.Column("one", sa.Integer, sa.CheckConstraint("one = 1"), primary_key=True),
    sa.Column("format", sa.Integer, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("seal", sa.LargeBinary, nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),
)
sa.Table(
    "segments",
    _TABLES,
    sa.Column("last", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("seal", sa.LargeBinary, nullable=False),
)
sa.Table(
    "snapshot",
    _TABLES,
    sa.Column("one", sa.Integer, sa.CheckConstraint("one = 1"), primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("seal", sa.LargeBinary, nullable=False),
)
sa.Table(
    "records",
    _TABLES,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
_FINAL = """
CREATE FUNCTION events_are_final() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$;
CREATE TRIGGER events_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_are_final();
"""
# All that a turn writes, in one question to the database: it holds the lock meanwhile.
_APPEND = (
    "WITH added AS (INSERT INTO events SELECT * FROM "
    "unnest(%s::bigint[], %s::float8[], %s::text[], %s::text[], %s::bytea[])), "
    "kept AS (INSERT INTO records SELECT * FROM unnest(%s::text[], %s::bytea[]) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value) "
    "UPDATE head SET sequence = %s, digest = %s, seal = %s "
    "RETURNING set_config('synchronous_commit', %s, true)"
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

    def begin(self) -> Head:
        """Take the lock of the log over all servers, and return its head."""
        try:
            with self._told():
                if self._turn is None:
                    self._turn = self._engine.connect()
                    self._turn.exec_driver_sql(
                        f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
                    )
                    self._turn.commit()
                self._local.connection, self._broken = self._turn, False
                self._events, self._values, self._at_once = [], {}, False
                return self._stored_head(" FOR UPDATE")
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
        """Release the lock; with `keep` all that was appended is on disk, without it is gone."""
        turn = self._turn
        assert turn is not None
        try:
            if keep:
                with self._told():
                    self._put_down(commit=True)
                    turn.commit()
                if self._at_once:
                    self._lasting = self._head
        except BaseException:
            keep = False
            raise
        finally:
            self._local.connection = None
            if not keep:
                self._give_up()

    def _put_down(self, *, commit: bool = False) -> None:
        """Write what was appended in this turn to the database, and `commit` it with that."""
        if not self._events:
            return
        events, kept, self._events, self._values = self._events, self._values, [], {}
        values = *map(list, zip(*events, strict=True)), list(kept), list(kept.values())
        head = self._head
        waits = "on" if self._at_once else "off"
        assert self._turn is not None
        database: Any = self._turn.connection.driver_connection
        # Both on one way there and back, for which all other servers wait.
        with self._told(), database.pipeline():
            database.execute(
                _APPEND, (*values, head.sequence, head.digest, self._head_seal(head), waits)
            )
            if commit:
                database.commit()

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
        written = []
        for kind, body in events:
            text, now = canonical(body), time.time()
            sequence = self._head.sequence + 1
            digest = self._digest(self._head.digest, sequence, now, kind, text)
            event = Event(sequence, now, kind, json.loads(text), digest)
            accept(event)
            self._events.append((sequence, now, kind, text, digest))
            self._head = Head(sequence, digest)
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

    def follow(
        self,
        apply: Callable[[Event], None],
        stored: Head,
        lasts: Callable[[Event], bool] = lambda event: True,
    ) -> int:
        """Call `apply` with each event that other servers wrote; return how many there were.

        stored: The head that `begin` returned.
        lasts: Function that says of an event whether its writer waited for the disk.

        Raises `RangeError` where the database holds less than this process has seen, or other
        events.
        """
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
            if lasts(event):
                self._lasting = self._head
        return self._head.sequence - before

    def catch_up(self, apply: Callable[[Event], None], lasts: Callable[[Event], bool]) -> int:
        """Do as `follow` without the lock, while nobody in this process has it."""
        with self._reading():
            return self.follow(apply, self._stored_head(), lasts)

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
        self.finish()
        self._head = head

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
            said = str(getattr(error, "orig", None) or error).strip().splitlines()
            raise RangeError(f"ledger {self.path}: {said[0] if said else error}") from None

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

    def _query(self, statement: str, values: tuple[Any, ...] = ()) -> Sequence[Any]:
        with self._reading(), self._told():
            if self._local.connection is self._turn:
                self._put_down()
            return self._local.connection.exec_driver_sql(statement, values).fetchall()

    def _rows(self, after: int) -> Iterator[tuple[Any, ...]]:
        while True:
            page = self._query(
                "SELECT sequence, time, kind, body, digest FROM events WHERE sequence > %s "
                f"ORDER BY sequence LIMIT {PAGE}",
                (after,),
            )
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

    def _stored_head(self, lock: str = "") -> Head:
        rows = self._query(f"SELECT sequence, digest, seal, place, format FROM head{lock}")
        if not rows:
            raise RangeError(f"ledger {self.path} is empty; put back the last copy")
        sequence, digest, seal, self._place, written = rows[0]
        if written != FORMAT:
            raise RangeError(f"ledger {self.path} has format {written}; allowed: {FORMAT}")
        head = Head(int(sequence), bytes(digest))
        if not hmac.compare_digest(self._head_seal(head), bytes(seal)):
            raise RangeError(
                f"ledger {self.path}: the record of its last event was changed, or the key is not "
                "its key"
            )
        return head

    def _stored_snapshot(self) -> tuple[int, str, bytes, bytes] | None:
        rows = self._query("SELECT last, version, state, seal FROM snapshot")
        return (rows[0][0], rows[0][1], bytes(rows[0][2]), bytes(rows[0][3])) if rows else None

    def _store_snapshot(
        self, new: list[tuple[int, bytes]], kept: tuple[int, str, bytes, bytes]
    ) -> None:
        alone = getattr(self._local, "connection", None) is None
        if alone:
            self.begin()
        try:
            self._put_down()
            with self._told():
                run = self._local.connection.exec_driver_sql
                for segment in new:
                    run("INSERT INTO segments VALUES (%s, %s)", segment)
                run("DELETE FROM snapshot", ())
                run("INSERT INTO snapshot VALUES (1, %s, %s, %s, %s)", kept)
        except BaseException:
            if alone:
                self.finish(keep=False)
            raise
        if alone:
            self.finish()

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
            _TABLES.create_all(connection, checkfirst=False)
            connection.exec_driver_sql(_FINAL)
            connection.exec_driver_sql(
                "INSERT INTO head VALUES (1, %s, 0, %s, %s, %s)",
                (FORMAT, b"", self._head_seal(empty), self._place),
            )


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
