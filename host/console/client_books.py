"""The data owner's page: its own ledger, its receipts, and the journal of its last questions.

Nothing on it comes from the server but what the client's own process was told.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from shotveil.host.console.books import Books
from shotveil.host.console.journal import last_entries
from shotveil.host.console.source import Topics
from shotveil.host.leakage.catalogue import DATA_BOUND, DATA_BOUNDS
from shotveil.host.ledger.checkpoints import Checkpoint
from shotveil.host.ledger.data_ledger import DataLedger
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile

MOST_BYTES = 1 << 24


class ClientBooks(Books):
    """A `ConsoleSource` of a client's files, which are only read; each may be None or missing.

    ledger: The client's ledger.
    receipts: The receipts that it keeps.
    journal: What `shotveil ask --journal` writes.

    Raises `RangeError` for a file that is damaged, and where none is given.
    """

    def __init__(
        self, ledger: Path | None, receipts: Path | None = None, journal: Path | None = None
    ) -> None:
        self._ledger, self._receipts, self._journal = ledger, receipts, journal
        given = [str(path) for path in (ledger, receipts, journal) if path is not None]
        if not given:
            raise RangeError("no file of the client is given; allowed: one or more")
        self._sizes: dict[Path, tuple[int, int]] = {}
        super().__init__({"kind": "client", "title": ", ".join(given)})

    def _read(self) -> Topics:
        found: Topics = {}
        if self._ledger is not None and self._is_new(self._ledger):
            found["data"] = self._leaked(self._ledger)
        if self._receipts is not None and self._is_new(self._receipts):
            found["receipts"] = _receipts(self._receipts)
        if self._journal is not None and self._is_new(self._journal):
            found |= last_entries(self._journal)
        return found

    def _is_new(self, path: Path) -> bool:
        """Return whether a file, or the journal of a ledger beside it, has changed."""
        size = when = 0
        for each in (path, path.with_name(path.name + "-wal")):
            try:
                status = each.stat()
            except OSError:
                continue
            size, when = size + status.st_size, max(when, status.st_mtime_ns)
        changed = self._sizes.get(path) != (size, when)
        self._sizes[path] = size, when
        return changed and path.exists()

    def _leaked(self, path: Path) -> dict[str, Any]:
        ledger = DataLedger(path, writable=False)
        try:
            return {
                "images": ledger.images,
                "charges": ledger.events,
                "counted": DATA_BOUND,
                "bounds": [
                    {"bound": name, "theorem": DATA_BOUNDS[name].theorem, **bits}
                    for name, bits in ledger.leakage().items()
                ],
            }
        finally:
            ledger.close()


def _receipts(path: Path) -> dict[str, Any]:
    lines = ForeignFile("file of receipts", path).read(MOST_BYTES).decode(errors="replace")
    kept = [Checkpoint.parse(line) for line in lines.splitlines()]
    if not kept:
        return {"count": 0}
    return {
        "count": len(kept),
        "ledger": kept[-1].ledger[:16],
        "events": kept[-1].head.sequence,
        "rising": all(a.head.sequence < b.head.sequence for a, b in itertools.pairwise(kept)),
    }
