"""What a link knows of each session: whose it is, and which of its light has left.

A session is announced by the server before its client may set any optics, and is bound to the name
in that client's certificate. A session without an announcement exists only inside one process,
where there is nobody else. When a session ends, everything about it is freed but two things, which
are kept for a while: the reason, for a client that asks late, and which of its last light left, for
a server whose last call was refused because of the end.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from shotveil.host.protocol.wire import ProtocolError, Refusal

KEPT_LAYERS = 4096  # of a session, in which light has left
KEPT_REASONS = 256
KEPT_AT_END = 64  # of the layers of a session that ended


@dataclass
class LinkSession:
    """One session.

    client: The name that it is bound to; None inside one process.
    ordinal: How many sessions set optics before it did; None as long as it has not.
    parts: The number of parts that have left, for each (batch, layer) whose optics were ever set.
    closed: Those of which no further part may leave.
    whole: Whether `parts` still holds all of them.
    """

    client: str | None = None
    ordinal: int | None = None
    parts: OrderedDict[tuple[int, int], int] = field(default_factory=OrderedDict)
    closed: set[tuple[int, int]] = field(default_factory=set)
    whole: bool = True

    def touch(self, place: tuple[int, int], parts: int) -> None:
        """Note that so many parts of a batch's layer have left."""
        self.parts[place] = max(parts, self.parts.get(place, 0))
        self.keep(KEPT_LAYERS)

    def keep(self, most: int) -> None:
        """Forget all but the last so many layers."""
        while len(self.parts) > most:
            self.closed.discard(self.parts.popitem(last=False)[0])
            self.whole = False

    def close(self, place: tuple[int, int]) -> None:
        """Let no further part of a batch's layer leave."""
        self.touch(place, 0)
        self.closed.add(place)

    def emitted(self, place: tuple[int, int], part: int) -> bool | None:
        """Return whether a part has left; None if that is no longer known."""
        if place in self.parts:
            return part < self.parts[place]
        return False if self.whole else None


class LinkSessions:
    """All sessions of one hold of a link by a server. The caller holds the link's lock."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self._open: dict[str, LinkSession] = {}
        self._ended: OrderedDict[str, tuple[Refusal, str]] = OrderedDict()
        self._over: dict[str, LinkSession] = {}  # those of them whose light is still known

    def announce(self, name: str, client: str) -> None:
        """Begin a session of `client`. Raises `ProtocolError` for one that exists."""
        if name in self._open or name in self._ended:
            raise ProtocolError(Refusal.ALREADY_EXISTS, "the session was announced already")
        self._open[name] = LinkSession(client)

    def of(self, name: str, client: str | None) -> LinkSession:
        """Return the session of a client. Raises `ProtocolError` where it has none of that name.

        client: The name in its certificate, or None inside one process.
        """
        session = self._open.get(name)
        if client is None:
            self.require_open(name)
            return self._open.setdefault(name, LinkSession())
        # The answer for another client's session is the same as for no session at all.
        if session is None or session.client != client:
            if session is None:
                self.require_open(name)
            raise ProtocolError(Refusal.NOT_FOUND, "there is no such session")
        return session

    def require_open(self, name: str) -> None:
        """Raise the reason, as `ProtocolError`, if a session has ended."""
        if name in self._ended:
            raise ProtocolError(*self._ended[name])

    def find(self, name: str) -> LinkSession | None:
        """Return a session that is open, whoever's it is."""
        return self._open.get(name)

    def known(self, name: str) -> LinkSession | None:
        """Return a session that is open, or that ended not long ago."""
        return self._open.get(name) or self._over.get(name)

    def ended(self, name: str) -> bool:
        """Return whether a session has ended, as far as that is still known."""
        return name in self._ended

    def names(self) -> list[str]:
        """Return the names of all open sessions."""
        return list(self._open)

    def end(self, name: str, why: tuple[Refusal, str]) -> None:
        """Free what is known of a session. Only the first reason is kept: it ended the session."""
        if (session := self._open.pop(name, None)) is not None:
            session.keep(KEPT_AT_END)
            self._over[name] = session
        self._ended.setdefault(name, why)
        if len(self._ended) > KEPT_REASONS:
            self._over.pop(self._ended.popitem(last=False)[0], None)
