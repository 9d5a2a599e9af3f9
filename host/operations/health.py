"""The standard health service of gRPC (`grpc.health.v1`), which balancers and probes ask.

It answers on the party's own port, to any certificate of the party's authority. A server that
drains says NOT_SERVING while it still answers the clients that it has.
"""

from __future__ import annotations

from typing import Any

from grpc_health.v1 import health, health_pb2, health_pb2_grpc


class Health:
    """The state of a party with one `service`, as the health service tells it.

    service: Full name of the gRPC service. The state of the whole party, under the name "", is the
        same.
    """

    def __init__(self, service: str) -> None:
        self._names = "", service
        self._servicer = health.HealthServicer()
        self._serving = False
        self._say(False)

    @property
    def serving(self) -> bool:
        """Whether new clients are welcome."""
        return self._serving

    def add_to(self, server: Any) -> None:
        """Let a gRPC server that has not begun yet answer for this state."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def begin(self) -> None:
        """Say from now on that new clients are welcome."""
        self._say(True)

    def drain(self) -> None:
        """Say from now on, for good, that no new clients are welcome; who watches hears it."""
        self._serving = False
        self._servicer.enter_graceful_shutdown()

    def _say(self, serving: bool) -> None:
        self._serving = serving
        status = health_pb2.HealthCheckResponse
        for name in self._names:
            self._servicer.set(name, status.SERVING if serving else status.NOT_SERVING)
