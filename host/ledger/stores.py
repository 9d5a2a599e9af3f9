"""What opens a ledger by its address: a file of SQLite, or a database of PostgreSQL.

A file needs nothing to be installed or set up. `postgresql://USER@HOST/DATABASE?key=FILE` needs the
extra `fleet`.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from shotveil.host.extras import needs
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.event_log import KEY_BYTES, EventLog, Head, key_beside, write_new
from shotveil.models.common.checks import RangeError

Address = Path | str  # a file, or the URL of a database


def is_database(ledger: Address) -> bool:
    """Return whether an address is that of a database."""
    return str(ledger).startswith("postgresql:")


def key_of(ledger: Address) -> Path:
    """Return the path of a ledger's key."""
    if not is_database(ledger):
        return key_beside(Path(ledger))
    with needs("fleet"):
        from shotveil.host.ledger.postgres_log import split_address

        return split_address(str(ledger))[1]


def make_ledger(ledger: Address) -> Path:
    """Make a new, empty ledger with a new key; return the path of the key.

    Raises `RangeError` where either is there already.
    """
    key = key_of(ledger)
    for path in (key,) if is_database(ledger) else (Path(ledger), key):
        if path.exists():
            raise RangeError(f"{path} exists already; allowed: a name that is free")
    if not is_database(ledger):
        EventLog(Path(ledger), create=True).close()
        return key
    with needs("fleet"):
        from shotveil.host.ledger.postgres_log import PostgresLog

        write_new(key, secrets.token_bytes(KEY_BYTES))
        try:
            PostgresLog(str(ledger), create=True).close()
        except BaseException:
            key.unlink()
            raise
    return key


def upgrade_ledger(ledger: Address) -> Head:
    """Give a ledger of an earlier version the form that this one writes; return its head.

    Its events stay as they are, and the whole chain is checked. No server may have it open.
    """
    if is_database(ledger):
        with needs("fleet"):
            from shotveil.host.ledger.postgres_log import upgrade_database

            upgrade_database(str(ledger))
    with open_log(ledger, writable=not is_database(ledger)) as log:  # which converts a file
        return log.verify()


def open_log(
    ledger: Address, *, writable: bool = True, create: bool = False, adopt: bool = False
) -> EventLog:
    """Open the log of a ledger, as `EventLog` and `PostgresLog` do."""
    if not is_database(ledger):
        return EventLog(Path(ledger), writable=writable, create=create, adopt=adopt)
    with needs("fleet"):
        from shotveil.host.ledger.postgres_log import PostgresLog

        return PostgresLog(str(ledger), writable=writable, create=create, adopt=adopt)


def open_filter(ledger: Address, *, create: bool = False) -> BudgetFilter:
    """Open the accounts of a ledger; a database is never made by this."""
    if not is_database(ledger):
        return BudgetFilter(Path(ledger), create=create)
    with needs("fleet"):
        from shotveil.host.ledger.fleet import FleetFilter

        return FleetFilter(str(ledger))
