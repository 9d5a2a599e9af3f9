"""The hub: the latest value of each topic, and everybody who watches.

A value replaces the one before it, so a page that is slow misses values in between, never the last
one, and nothing piles up. A page that comes later gets all values first, so all pages agree.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

FORMAT = "shotveil console"
VERSION = 1


def packed(values: npt.ArrayLike) -> dict[str, str]:
    """Return numbers in the form in which a page takes them: little-endian float32, as base64."""
    data = np.ascontiguousarray(values, dtype="<f4").tobytes()
    return {"f32": base64.b64encode(data).decode()}


def text_of(topics: Mapping[str, str]) -> str:
    """Return one JSON object of topics whose values are JSON already."""
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in topics.items()) + "}"


class Watcher:
    """What one page has not been told yet."""

    def __init__(self, topics: Mapping[str, str]) -> None:
        self._pending = dict(topics)
        self._more = asyncio.Event()
        self._more.set()

    def tell(self, topics: Mapping[str, str]) -> None:
        """Note values that have changed."""
        self._pending.update(topics)
        self._more.set()

    async def next(self) -> str:
        """Wait until something has changed, and return it as one JSON object."""
        await self._more.wait()
        self._more.clear()
        text = text_of(self._pending)
        self._pending.clear()
        return text


class Hub:
    """The topics of one console. All methods belong to the thread of the event loop.

    record: Open file to which a line is written for all that changes at once, with its time.
    """

    def __init__(self, record: Recorder | None = None) -> None:
        self.topics: dict[str, str] = {}
        self._watchers: set[Watcher] = set()
        self._record = record

    def publish(self, values: Mapping[str, Any], time: float) -> None:
        """Replace the values of some topics at a `time` in seconds; values are plain JSON.

        Raises `ValueError` for NaN and infinity, which JSON does not have.
        """
        told = {name: _json(value) for name, value in values.items()}
        changed = {name: text for name, text in told.items() if self.topics.get(name) != text}
        if not changed:
            return
        self.topics.update(changed)
        for watcher in self._watchers:
            watcher.tell(changed)
        if self._record is not None:
            self._record.write(time, changed)

    def watch(self) -> Watcher:
        """Begin to watch; the first thing that a watcher is told is everything."""
        watcher = Watcher(self.topics)
        self._watchers.add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Stop watching."""
        self._watchers.discard(watcher)


class Recorder:
    """Writes a run to a new file: a head, and a line for each change.

    `host.console.replay` reads it. Raises `FileExistsError` if the file exists.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file: TextIO = os.fdopen(descriptor, "w", encoding="utf-8")
        print(json.dumps({"format": FORMAT, "version": VERSION}), file=self._file, flush=True)

    def write(self, time: float, topics: Mapping[str, str]) -> None:
        """Write what changed at a time in seconds."""
        print(f'{{"time":{time:.3f},"topics":{text_of(topics)}}}', file=self._file, flush=True)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
