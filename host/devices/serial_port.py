"""A pipe of bytes over a serial port: a UART adapter, or a board's own USB."""

from __future__ import annotations

import os
import time
from typing import Any

from shotveil.host.devices.device import require_no_plant
from shotveil.host.devices.link import LinkDevice, open_link
from shotveil.host.devices.transport import LinkLost
from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError, require
from shotveil.models.host_link.packet import BAUD
from shotveil.models.node.chain import Plant
from shotveil.models.node.spec import NodeSpec


class SerialPort:
    """A serial port, opened by its name such as /dev/ttyUSB0 or COM3 for exclusive use.

    baud: Rate of a UART in bits per second, ≥ 1; a board's own USB ignores it.

    Raises `LinkLost` if there is no such port, if another program has it, or when it goes away; and
    `ModuleNotFoundError` where the extra `device` is not installed.
    """

    def __init__(self, name: str, baud: int = BAUD):
        require("baud", baud, at_least=1, integer=True)
        serial = import_extra("serial", "device")
        self._error: type[Exception] = serial.SerialException
        self._name = name
        try:
            # `serial_for_url` takes names of ports as well.
            self._port: Any = serial.serial_for_url(
                name, baudrate=baud, timeout=0, write_timeout=5, exclusive=True
            )
        except (self._error, ValueError) as error:
            number = getattr(error, "errno", None)  # a ValueError has none
            said = os.strerror(number) if number else error
            raise LinkLost(f"serial port {name} cannot be opened: {said}") from error

    def read(self, most: int, timeout: float) -> bytes:
        """Return at most `most` bytes that have come, or that come within `timeout` seconds."""
        port = self._port
        deadline = time.monotonic() + timeout
        try:
            waiting = port.in_waiting
            if not waiting and timeout > 0:
                port.timeout = timeout
                first = port.read(1)
                if not first or time.monotonic() >= deadline:
                    return bytes(first)
                return bytes(first + port.read(min(port.in_waiting, most - 1)))
            return bytes(port.read(min(waiting, most)))
        except (self._error, OSError) as error:
            raise LinkLost(f"serial port {self._name} is gone: {error}") from error

    def write(self, data: bytes) -> None:
        """Write all bytes."""
        try:
            self._port.write(data)
        except (self._error, OSError) as error:
            raise LinkLost(f"serial port {self._name} takes no bytes: {error}") from error

    def close(self) -> None:
        """Close the port."""
        self._port.close()


def open_url(where: str, spec: NodeSpec | None, plant: Plant | None) -> LinkDevice:
    """Open the board on a serial port, for `serial:PORT` and `serial:PORT@BAUD`.

    Raises `RangeError` for any other URL, and `DeviceError` if no node answers.
    """
    url = f"serial:{where}"
    require_no_plant(url, plant)
    port, at, given = where.partition("@")
    if not port:
        raise RangeError(f"device = {url!r} names no port; allowed: serial:PORT, serial:PORT@BAUD")
    if at and not given.isdecimal():
        raise RangeError(f"baud rate = {given!r}; allowed: a whole number, serial:PORT@BAUD")
    baud = int(given) if at else BAUD
    return open_link(url, lambda: SerialPort(port, baud), spec)
