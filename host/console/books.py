"""A thread that reads a party's files again when they have changed, for either party's page."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from shotveil.host.console.source import Topics
from shotveil.models.common.checks import RangeError

LOOK = 0.25  # seconds between two looks at the files, at least
# Of a core, for looking: parties on the same machine keep the rest.
MOST_SHARE = 0.015


class Books(ABC):
    """A `ConsoleSource` that only reads. A subclass says what the page is, and reads its files."""

    def __init__(self, page: Mapping[str, Any]) -> None:
        self._guard = threading.Lock()
        self._changed: Topics = {"page": dict(page)}
        self._closing = threading.Event()
        self._collect()  # a file that cannot be read is refused before a page is served
        self._thread = threading.Thread(target=self._run, name="console books", daemon=True)
        self._thread.start()

    @abstractmethod
    def _read(self) -> Topics:
        """Return the topics that may have changed. Raises `RangeError` for a damaged file."""

    def _collect(self) -> None:
        found = self._read()
        with self._guard:
            self._changed |= found

    def _run(self) -> None:
        rest = LOOK
        while not self._closing.wait(rest):
            begun = time.thread_time()
            try:
                self._collect()
                trouble = ""
            except (RangeError, OSError) as error:
                trouble = str(error)
            with self._guard:
                self._changed["trouble"] = trouble
            rest = max(LOOK, (time.thread_time() - begun) / MOST_SHARE)

    def changed(self) -> Topics:
        """Return what has changed since the last call."""
        with self._guard:
            found, self._changed = self._changed, {}
        return found

    def act(self, request: Mapping[str, Any]) -> str:
        """Refuse everything: a party's books are read here, and changed by its own commands."""
        raise RangeError("a party's page only shows; allowed: the commands of `shotveil ledger`")

    def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        self._thread.join(10)
