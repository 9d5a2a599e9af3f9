"""A pipe of bytes over TCP, to a simulated node."""

from __future__ import annotations

import math
import select
import socket
import time

from shotveil.host.devices.device import require_no_plant
from shotveil.host.devices.link import LinkDevice, open_link
from shotveil.host.devices.transport import LinkLost
from shotveil.models.common.checks import RangeError, require
from shotveil.models.node.chain import Plant
from shotveil.models.node.spec import NodeSpec

PATIENCE = 5.0  # seconds to wait for a connection, and for the other end to take bytes


class TcpPipe:
    """A connection to a simulated node at `host` and `port` (1 to 65535).

    Raises `LinkLost` if there is no node, or when it goes away.
    """

    def __init__(self, host: str, port: int):
        require("port", port, at_least=1, at_most=65535, integer=True)
        self._name = f"{host}:{port}"
        self._waiting = select.poll()  # select refuses descriptors above 1023
        self._pending = bytearray()  # bytes that came during a write
        try:
            self._socket = socket.create_connection((host, port), PATIENCE)
        except (OSError, UnicodeError) as error:  # a label of a name may be too long to look up
            raise LinkLost(f"no node answers at {self._name}: {error}") from error
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, most: int, timeout: float) -> bytes:
        """Return at most `most` bytes that have come, or that come within `timeout` seconds."""
        if not self._pending and self._ready(timeout, select.POLLIN):
            self._take()
        data = bytes(self._pending[:most])
        del self._pending[:most]
        return data

    def write(self, data: bytes) -> None:
        """Write all bytes; store what comes meanwhile, so that the two ends never block each other.

        Raises `LinkLost` if the other end takes nothing for `PATIENCE` seconds.
        """
        rest = memoryview(data)
        deadline = time.monotonic() + PATIENCE
        while rest:
            left = deadline - time.monotonic()
            found = self._ready(max(0.0, left), select.POLLIN | select.POLLOUT)
            if found & ~select.POLLOUT:
                self._take()
            if found & select.POLLOUT:
                try:
                    rest = rest[self._socket.send(rest) :]
                except BlockingIOError:
                    pass
                except OSError as error:
                    raise LinkLost(f"the node at {self._name} is gone: {error}") from error
            elif left <= 0:
                raise LinkLost(f"the node at {self._name} takes no bytes since {PATIENCE:g} s")

    def _ready(self, timeout: float, events: int) -> int:
        """Wait for one of the events, or for the connection's end; return what came, or 0."""
        self._waiting.register(self._socket, events)
        return sum(found for _, found in self._waiting.poll(math.ceil(1000 * timeout)))

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _take(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            raise LinkLost(f"the node at {self._name} is gone: {error}") from error
        if not data:
            raise LinkLost(f"the node at {self._name} closed the connection")
        self._pending += data


def open_url(where: str, spec: NodeSpec | None, plant: Plant | None) -> LinkDevice:
    """Open the node behind a TCP port, for `tcp:HOST:PORT`.

    Raises `RangeError` for an invalid address, and `DeviceError` if no node answers.
    """
    url = f"tcp:{where}"
    require_no_plant(url, plant)
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal():
        raise RangeError(f"device = {url!r} is no address; allowed: tcp:HOST:PORT")
    require("TCP port", int(port), at_least=1, at_most=65535)
    host = host.removeprefix("[").removesuffix("]")  # as an address of IPv6 is written
    return open_link(url, lambda: TcpPipe(host, int(port)), spec)
