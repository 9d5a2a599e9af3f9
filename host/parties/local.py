"""Server, client and link in one process: the same parties, connected without a network."""

from __future__ import annotations

from collections.abc import Iterator

from shotveil.host.parties.server import ModelServer
from shotveil.host.protocol import messages_pb2 as pb


class LocalModel:
    """The classical channel from the client named `client` to a server in this process."""

    def __init__(self, server: ModelServer, client: str) -> None:
        self._server, self._client = server, client

    def open(self, hello: pb.Hello) -> pb.Welcome:
        return self._server.open(hello, self._client)

    def run_layer(self, request: pb.LayerRequest) -> Iterator[pb.Progress]:
        return self._server.run_layer(request, self._client)

    def close(self, goodbye: pb.Goodbye) -> pb.Receipt:
        return self._server.close(goodbye, self._client)
