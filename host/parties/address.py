"""Addresses of parties, HOST:PORT, checked before a connection is tried.

gRPC takes whatever it is given: it drops the upper bits of a port, listens on no host with a line
of its own in the log, and asks for a host called `http://…` until the patience of the caller ends.
"""

from __future__ import annotations

import os
import re
import socket

from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import shown

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\])"
_ADDRESS = re.compile(rf"({_HOST}):([0-9]{{1,9}})")
_ALLOWED = "HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051"


def require_address(address: str) -> tuple[str, int]:
    """Return host and port of `address`, with brackets around an IPv6 host removed.

    Raises `RangeError` for anything but HOST:PORT with a port from 0 to 65535.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise RangeError(f"address {shown(address)} has another form; allowed: {_ALLOWED}")
    host, port = match[1], int(match[2])
    if port > 65535:
        raise RangeError(f"address {address} has port {port}; allowed: 0 to 65535")
    return host.strip("[]"), port


def why_unreachable(address: str) -> str:
    """Return what one plain TCP connection says of a party that gRPC could not reach.

    gRPC gives the same time-out for a host that is unknown, for a port that nobody listens on, and
    for a certificate that one side refuses.
    """
    try:
        socket.create_connection(require_address(address), timeout=2).close()
    except OSError as error:
        return f"TCP says: {error.strerror or error}"
    return "a program listens there, so a certificate was refused, or it is no party"


def why_not_free(address: str) -> str:
    """Return what the system says of listening at an address where gRPC could not."""
    try:
        socket.create_server(require_address(address), family=_family(address)).close()
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    return "gRPC gives no reason"


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if address.startswith("[") else socket.AF_INET
