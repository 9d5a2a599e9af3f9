"""A simulated node behind a TCP port, for hosts that take it for a board.

    shotveil lab node --role server --port 5025
    shotveil device info tcp:localhost:5025

It serves one host at a time; the node keeps its state from host to host, as a board does.
"""

from __future__ import annotations

import select
import socket

from shotveil.sim.loop.node_device import NodePipe

IDLE = 0.001  # seconds between two blocks while the host sends nothing


def serve(pipe: NodePipe, listener: socket.socket, hosts: int | None = None) -> None:
    """Serve hosts that connect to a listening socket one after the other: `hosts`, or for ever."""
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
