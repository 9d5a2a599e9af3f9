"""How many sessions a server has open, and which one gives way to another.

A client that has as many as it may loses the one that it used least recently, so one that was
killed again and again is never locked out by what it left behind. It takes no room from others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from shotveil.host.protocol.wire import ProtocolError, Refusal


class Open(Protocol):
    """An open session: its client, the moment of its last use, and the batches that it runs.

    begun: Whether link and ledger know of it.
    ending: Whether it gives way to another one already.
    """

    client: str
    used: float
    running: set[int]
    begun: bool
    ending: bool


def to_end(sessions: Mapping[str, Any], client: str, most: int) -> str:
    """Return the name of the session that gives way to a new one of `client`; "" if none need to.

    most: Most sessions that a client may have. One that runs no layer gives way first, and one that
    does gives way only if all do: a client that has vanished may seem to run them.

    Raises `ProtocolError` where all of them are only just beginning.
    """
    own = {n: each for n, each in sessions.items() if each.client == client and not each.ending}
    if len(own) < most:
        return ""
    begun = [name for name, each in own.items() if each.begun]
    if not begun:
        raise ProtocolError(
            Refusal.RESOURCE_EXHAUSTED, f"{most} sessions of the client are just beginning"
        )
    return min(begun, key=lambda name: (bool(own[name].running), own[name].used))


def require_room(sessions: Iterable[Open], most: int) -> None:
    """Raise `ProtocolError` unless fewer than `most` sessions are open."""
    if len(list(sessions)) >= most:
        raise ProtocolError(
            Refusal.RESOURCE_EXHAUSTED,
            f"{'a session is' if most == 1 else f'{most} sessions are'} open already",
        )
