"""The receipts that a client keeps: by any of them a ledger that was rolled back is found out.

A file holds one checkpoint of a server's ledger on each line, the oldest first. The client shows
the last one to the server when it asks again, and compares the next one with it.
"""

from __future__ import annotations

import os
from pathlib import Path

from shotveil.host.ledger.checkpoints import Checkpoint
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile

MOST_BYTES = 1 << 24


class KeptReceipts:
    """The receipts in the file at `path`, which is made with the first of them.

    Raises `RangeError` for a file that cannot be read or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines: list[str] = []
        if path.exists():
            text = ForeignFile("file of receipts", path).read(MOST_BYTES)
            lines = text.decode(errors="replace").splitlines()
        self._last = Checkpoint.parse(lines[-1]) if lines else None

    @property
    def last(self) -> str:
        """The last checkpoint as text; "" if there is none."""
        return "" if self._last is None else str(self._last)

    def add(self, text: str) -> None:
        """Keep one more checkpoint.

        Raises `RangeError` for text that is none, and where the ledger is another one or older than
        it was.
        """
        new = Checkpoint.parse(text)
        if self._last is not None and new.ledger != self._last.ledger:
            raise RangeError(
                f"the receipt is of ledger {new.ledger[:16]}, and those before are of "
                f"{self._last.ledger[:16]}: has the server begun another account? Allowed: another "
                "file of receipts for another server"
            )
        if self._last is not None and new.head.sequence <= self._last.head.sequence:
            raise RangeError(
                f"the server's ledger was rolled back: it has {new.head.sequence} events, and had "
                f"{self._last.head.sequence} when it signed the receipt before"
            )
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{new}\n")
        self._last = new
