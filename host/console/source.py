"""What a console shows: a source of topics, which may also act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Topics = dict[str, Any]


class ConsoleSource(Protocol):
    """Something that the console shows. Its methods return at once; any thread may call them."""

    def changed(self) -> Topics:
        """Return the values that have changed since the last call, as plain JSON, by topic.

        The topic `page` says what the page is: its `kind` (bench, server, client) and `title`.
        """

    def act(self, request: Mapping[str, Any]) -> str:
        """Do what a page asks for, and return a sentence on it.

        Raises `RangeError` for anything that is not offered, or not in range.
        """

    def close(self) -> None:
        """Stop, with all light off."""
