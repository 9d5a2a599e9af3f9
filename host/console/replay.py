"""Replay of a run that a console recorded: the same values at the same distances in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shotveil.host.console.hub import FORMAT, VERSION
from shotveil.host.console.source import Topics
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile, shown

RECORD_LIMIT = 1 << 30  # bytes


class RunReplay:
    """A `ConsoleSource` that shows the run in the file at `path`, again and again.

    clock: Function that returns the time in seconds.

    Raises `RangeError` for a file that no console wrote.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        file = ForeignFile("record", path)
        lines = [file.decoded_json(line) for line in file.read(RECORD_LIMIT).splitlines()]
        head = lines[0] if lines and isinstance(lines[0], dict) else {}
        if head.get("format") != FORMAT or head.get("version") != VERSION:
            raise RangeError(f"{path} is no record of a console of version {VERSION}")
        self._entries: list[tuple[float, Topics]] = []
        for entry in lines[1:]:
            moment = entry.get("time") if isinstance(entry, dict) else None
            topics = entry.get("topics") if isinstance(entry, dict) else None
            if not isinstance(moment, int | float) or not isinstance(topics, dict):
                raise RangeError(f"{path} is no record of a console: it holds {shown(entry)}")
            if self._entries and moment < self._entries[-1][0]:
                raise RangeError(f"{path} is no record of a console: its times go back")
            self._entries.append((float(moment), topics))
        if not self._entries:
            raise RangeError(f"{path} holds no run; allowed: a record with something in it")
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self._next, self._start = 0, self._clock()

    def changed(self) -> Topics:
        """Return what changed in the run by now; after its end, begin again a second later."""
        now = self._entries[0][0] + self._clock() - self._start
        if self._next == len(self._entries):
            if now < self._entries[-1][0] + 1:
                return {}
            self._begin()
            now = self._entries[0][0]
        found: Topics = {}
        while self._next < len(self._entries) and self._entries[self._next][0] <= now:
            found.update(self._entries[self._next][1])
            self._next += 1
        first, last = self._entries[0][0], self._entries[-1][0]
        found["replay"] = {"at": round(now - first, 1), "of": round(last - first, 1)}
        return found

    def act(self, request: Mapping[str, Any]) -> str:
        """Refuse everything: what is shown has happened already."""
        raise RangeError("this is the replay of a run; allowed: to look at it")

    def close(self) -> None:
        """Do nothing: the file was read when it was opened."""
