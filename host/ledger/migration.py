"""Moving a ledger from a file to a database or back, with all its events, records and its key.

The events keep their bytes and digests, so heads, receipts and checkpoints of before hold in the
new place. The old ledger ends with an event that says where it went, and no server opens it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from shotveil.host.ledger.event_log import (
    EventLog,
    Head,
    files_of,
    lock_beside,
    read_key,
    write_empty,
    write_new,
)
from shotveil.host.ledger.odometer import report
from shotveil.host.ledger.snapshots import restore
from shotveil.host.ledger.stores import Address, is_database, key_of, open_log
from shotveil.models.common.checks import RangeError


def move(source: Address, target: Address) -> Head:
    """Copy a ledger to `target`, check chain and totals there, and end it in its old place.

    Return the head that both have. If the program ends in between, calling this again goes on. No
    server may have the ledger open. Raises `RangeError` where the target is not new, where its key
    is there and another one, or where the source is damaged.
    """
    with open_log(source) as old:
        whole, to = old.verify(), _name(target)
        moved = [event for event in old.events(_before(old, whole)) if event.kind == "moved"]
        if moved and moved[0].body["to"] != to:
            raise RangeError(f"ledger {source} was moved to {moved[0].body['to']} already")
        head = _before(old, whole) if moved else whole

        def end() -> None:
            if not moved:
                old.append("moved", {"to": to})

        def fill(new: EventLog, sure: Callable[[], None]) -> None:
            new.fill(old.rows(head.sequence), old.records(), head, sure)

        before = report(restore(old))
        if is_database(target):
            _to_database(str(target), old, fill, end)
        else:
            _to_file(Path(target), old, fill, end)
    with open_log(target) as new:
        found, after = new.verify(), report(restore(new, renew=True))
    if found != head or after != before:
        raise RangeError(f"ledger {target} is not what {source} was; do not use it")
    return head


_Fill = Callable[[EventLog, Callable[[], None]], None]


def _to_database(target: str, old: EventLog, fill: _Fill, end: Callable[[], None]) -> None:
    from shotveil.host.ledger.postgres_log import PostgresLog

    _bring_key(key_of(target), old)
    with PostgresLog(target, create=True) as new:
        fill(new, end)


def _to_file(target: Path, old: EventLog, fill: _Fill, end: Callable[[], None]) -> None:
    if target.exists():
        raise RangeError(f"{target} exists; allowed: a name that is free")
    key = key_of(target)
    _bring_key(key, old)
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        write_new(temporary, b"")
        write_empty(temporary, old.key)
        with EventLog(temporary, key=key) as new:
            fill(new, lambda: None)
        end()
        temporary.replace(target)
    finally:
        for file in (*files_of(temporary), lock_beside(temporary)):
            file.unlink(missing_ok=True)


def _bring_key(path: Path, log: EventLog) -> None:
    """Write a log's key to a file, unless it is there already."""
    if path.exists():
        if read_key(path, path) != log.key:
            raise RangeError(f"key {path} is of another ledger; allowed: a name that is free")
        return
    write_new(path, log.key)


def _before(log: EventLog, head: Head) -> Head:
    """Return the head before the last event."""
    return log.head_at(max(0, head.sequence - 1))


def _name(ledger: Address) -> str:
    """Return an address without the path of a key."""
    return str(ledger).partition("?")[0] if is_database(ledger) else str(Path(ledger).resolve())
