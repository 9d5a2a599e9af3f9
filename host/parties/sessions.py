"""How many sessions a server has open, and which one gives way to another.

A client that has as many as it may loses the one that it used least recently, so one that was
killed again and again is never locked out by what it left behind. It takes no room from others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from shotveil.host.protocol.wire import ProtocolError, Refusal


class Open(Protocol):
    """An open session: its client, the moment of its last use, and the batches that it runs."""

    client: str
    used: float
    running: set[int]


def to_end(sessions: Mapping[str, Any], client: str, most: int) -> str:
    """Return the name of the session that gives way to a new one of `client`; "" if none need to.

    most: Most sessions that a client may have. One that runs no layer gives way first, and one that
    does gives way only if all do: a client that has vanished may seem to run them.
    """
    own = {name: each for name, each in sessions.items() if each.client == client}
    if len(own) < most:
        return ""
    return min(own, key=lambda name: (bool(own[name].running), own[name].used))


def require_room(sessions: Iterable[Open], most: int) -> None:
    """Raise `ProtocolError` unless fewer than `most` sessions are open."""
    if len(list(sessions)) >= most:
        raise ProtocolError(
            Refusal.RESOURCE_EXHAUSTED,
            f"{'a session is' if most == 1 else f'{most} sessions are'} open already",
        )
