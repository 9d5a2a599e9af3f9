"""Copies of a ledger that are made while a server writes it, and how one is put back.

A copy is the ledger without its key, which never changes and is kept elsewhere. What leaked after
a copy was made is missing in it, so a ledger is only restored where the newer one is gone, by an
event that says why. The receipts that clients hold show what is missing (`checkpoints`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from shotveil.host.ledger.checkpoints import Checkpoint, require_part_of
from shotveil.host.ledger.event_log import EventLog, Head, files_of, write_new
from shotveil.host.ledger.stores import Address, key_of, open_log
from shotveil.models.common.checks import RangeError


def back_up(ledger: Address, target: Path) -> Head:
    """Copy a ledger to `target` and return the head of the copy, whose chain was checked.

    Servers may write the ledger meanwhile: the copy is the ledger at one moment. The copy of a
    database is a file as well, which `migration.move` brings into another one. Raises
    `RangeError` where `target` exists or the ledger is damaged.
    """
    _require_free(target)
    with open_log(ledger, writable=False) as log:
        return _put(target, log.copy_to, key_of(ledger))


def restore(source: Path, ledger: Path, reason: str, receipts: Iterable[Checkpoint] = ()) -> Head:
    """Put the copy `source` back as `ledger`, beside its key; return its head before the event.

    receipts: Checkpoints that the copy has to hold.

    Raises `RangeError` where a ledger is still there, its key is not, the copy is damaged or of
    another ledger, or a receipt is newer than the copy.
    """
    for path in files_of(ledger):
        _require_free(path)
    key = key_of(ledger)
    with EventLog(source, writable=False, key=key) as log:
        log.verify()
        for receipt in receipts:
            require_part_of(log, receipt)
    head = _put(ledger, lambda path: shutil.copyfile(source, path), key)
    with EventLog(ledger, adopt=True) as log:
        log.append("place", {"reason": reason})
    return head


def _put(target: Path, write: Callable[[Path], object], key: Path) -> Head:
    """Write a copy under another name, check its chain, and give it its name when it is whole."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        write_new(temporary, b"")
        write(temporary)
        with EventLog(temporary, writable=False, key=key) as copy:
            head = copy.verify()
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return head


def _require_free(path: Path) -> None:
    if path.exists():
        raise RangeError(f"{path} exists; allowed: a name that is free, so move away what is there")
