"""A client's way to one of several servers: a name that resolves to several addresses.

The client begins at one of them at random, so that clients spread evenly, and goes round. A server
that cannot be reached, or that takes no new sessions, is left for the next. Only the beginning of
a session is ever asked twice: it charges what a session discloses, which counts once for all
sessions. A layer is asked for at one server alone, whatever happens, so no light is charged twice.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from shotveil.host.parties.address import require_address
from shotveil.host.parties.rpc import Keys, RemoteClientPort, RemoteModel
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import ProtocolError, Refusal

Route = tuple[str, str]  # addresses of a server and of its link
TRY_SECONDS = 3.0  # for one of several addresses


def routes(server: str, link: str, resolve: Callable[..., Any] = socket.getaddrinfo) -> list[Route]:
    """Return the servers that a name stands for, each with its link, in the order to try them.

    server, link: HOST:PORT. Where both have the same host, a server's link is on its machine; else
        all have the same link. A host with one address stays as it is.
    """
    (host, port), (link_host, link_port) = require_address(server), require_address(link)
    try:
        found = resolve(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return [(server, link)]  # whoever connects says what is wrong
    hosts = list(dict.fromkeys(str(each[4][0]) for each in found))
    if len(hosts) < 2 or host == "localhost":
        return [(server, link)]
    first = secrets.randbelow(len(hosts))
    return [
        (_join(each, port), _join(each, link_port) if link_host == host else link)
        for each in hosts[first:] + hosts[:first]
    ]


class RoutedParties:
    """A model server and its link, which are chosen when the session is opened.

    It has the methods of a `ModelPort` and of a `ClientPort` (`host.parties.client`).
    """

    def __init__(self, found: Sequence[Route], keys: Keys) -> None:
        self._routes, self._keys = list(found), keys
        self._model: RemoteModel | None = None
        self._light: RemoteClientPort | None = None

    def open(self, hello: pb.Hello) -> pb.Welcome:
        """Begin a session at the first server that takes it.

        Raises `ProtocolError` where a server refuses, or the last one is not available.
        """
        refused = ProtocolError(Refusal.UNAVAILABLE, "there is no server to ask")
        for server, link in self._routes:
            self.hang_up()
            try:
                socket.create_connection(require_address(server), timeout=TRY_SECONDS).close()
                self._model = RemoteModel(server, self._keys, patience=TRY_SECONDS)
                welcome = self._model.open(hello)
                self._light = RemoteClientPort(link, self._keys)
                return welcome
            except OSError as error:
                said = f"no server at {server}: {error.strerror or error}"
                refused = ProtocolError(Refusal.UNAVAILABLE, said)
            except ProtocolError as error:
                if error.refusal is not Refusal.UNAVAILABLE:
                    raise
                refused = error
        raise refused

    def run_layer(self, request: pb.LayerRequest) -> Iterator[pb.Progress]:
        """Ask the session's server for a layer."""
        assert self._model is not None
        return self._model.run_layer(request)

    def measure(self, settings: pb.Settings) -> Iterator[pb.Reading]:
        """Set the optics at the link of the session's server."""
        assert self._light is not None
        return self._light.measure(settings)

    def close(self, goodbye: pb.Goodbye) -> pb.Receipt:
        """End the session."""
        assert self._model is not None
        return self._model.close(goodbye)

    def hang_up(self) -> None:
        """Close all connections."""
        for party in (self._model, self._light):
            if party is not None:
                party.hang_up()
        self._model = self._light = None


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
