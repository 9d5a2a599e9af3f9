"""A simulated node behind a TCP port, for hosts that take it for a board.

    python -m shotveil.sim.loop.node_server --role server --port 5025
    shotveil device info tcp:localhost:5025

One host at a time; the node keeps its state from host to host, as a board does.
"""

from __future__ import annotations

import argparse
import select
import socket

from shotveil.models.common.checks import require
from shotveil.models.node.chain import Loopback
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.loop.node_device import NodePipe

IDLE = 0.001  # seconds between two blocks while nobody says anything


def serve(pipe: NodePipe, listener: socket.socket, hosts: int | None = None) -> None:
    """Serve hosts that connect to a listening socket, one after the other; `hosts` of them."""
    served = 0
    while hosts is None or served < hosts:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _talk(pipe, connection)
        served += 1


def _talk(pipe: NodePipe, connection: socket.socket) -> None:
    quiet = False
    while True:
        readable, _, _ = select.select([connection], [], [], IDLE if quiet else 0)
        data = b""
        if readable:
            try:
                data = connection.recv(1 << 16)
            except ConnectionError:
                return
            if not data:
                return
            pipe.write(data)
        pipe.advance()
        answer = pipe.read(1 << 16, 0.0)
        if answer:
            try:
                connection.sendall(answer)
            except ConnectionError:
                return
        quiet = not data and not answer


def main() -> None:
    """Serve one node until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--role", choices=("server", "client"), default="server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5025, help="0 takes any that is free")
    parser.add_argument("--delay", type=int, default=0, help="of the loopback, in samples")
    arguments = parser.parse_args()
    require("port", arguments.port, at_least=0, at_most=65535)
    spec = NodeSpec(role=arguments.role)
    pipe = NodePipe(spec, Loopback(spec, arguments.delay))
    with socket.create_server((arguments.host, arguments.port)) as listener:
        host, port = listener.getsockname()[:2]
        print(f"a {spec.role} at tcp:{host}:{port}", flush=True)
        try:
            serve(pipe, listener)
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
