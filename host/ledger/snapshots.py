"""Snapshots: the accounts that a ledger's events add up to, in a form that is read back quickly.

A snapshot is a cache and no record. The log seals it with its key (`EventLog.save`) and checks the
seal before anything here reads it. It holds the objects of `Accounts` as they are, so it is made by
`pickle`, and read back by a reader that knows the classes of the accounts and of NumPy's arrays and
no others. Where the code of the accounts has changed since, the snapshot is not used, and the
events are added up again.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from shotveil.host.ledger import accounts as accounts_module
from shotveil.host.ledger.accounts import Accounts
from shotveil.host.ledger.event_log import EventLog, Head
from shotveil.models.common.checks import RangeError

EVERY = 4096  # events between two snapshots of a ledger that is in use

_OWN = ("shotveil.host.ledger.accounts", "shotveil.host.leakage.composition")
_NUMPY = {"_reconstruct", "_frombuffer", "ndarray", "dtype", "scalar"}


@cache
def version() -> str:
    """Return a digest of the code that adds up events, and of NumPy's version."""
    code = Path(accounts_module.__file__).read_bytes()
    return hashlib.sha256(code + np.__version__.encode()).hexdigest()


def restore(log: EventLog, *, renew: bool = False) -> Accounts:
    """Return the accounts of a log: from its snapshot and the events since, or from all events.

    renew: Whether a snapshot is made where many events had to be added up, as after a change of
        this code, so that the next start does not add them up again.

    Raises `RangeError` where anything in the file was changed, or an event makes no sense.
    """
    state, events = log.resume(version())
    accounts = Accounts() if state is None else _load(state)
    added = 0
    for event in events:
        accounts.apply(event)
        added += 1
    if renew and added >= EVERY:
        keep(log, accounts)
    return accounts


def keep(log: EventLog, accounts: Accounts) -> None:
    """Make the snapshot of a log, whose events add up to `accounts`."""
    write(log, log.head, dump(accounts))


def dump(accounts: Accounts) -> bytes:
    """Return accounts as they are now, for `write`."""
    return pickle.dumps(accounts, protocol=5)


def write(
    log: EventLog, head: Head, dumped: bytes, pause: Callable[[], None] = lambda: None
) -> None:
    """Make a snapshot of a log: the accounts that `dump` dumped when it had a head.

    pause: As for `EventLog.save`.
    """
    log.save(zlib.compress(dumped, 1), version(), head, pause)


def _load(state: bytes) -> Accounts:
    try:
        found = _Reader(io.BytesIO(zlib.decompress(state))).load()
    except (pickle.UnpicklingError, zlib.error, EOFError, AttributeError) as error:
        raise RangeError(f"the ledger's snapshot cannot be read: {error}") from None
    if not isinstance(found, Accounts):
        raise RangeError("the ledger's snapshot holds no accounts")
    return found


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _OWN or (module.startswith("numpy") and name in _NUMPY):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is nothing that accounts are made of")
