"""A pipe of bytes over a serial port: a UART's adapter, or a board's own USB."""

from __future__ import annotations

import time
from typing import Any

from shotveil.host.devices.transport import LinkLost
from shotveil.host.extras import import_extra
from shotveil.models.common.checks import require

BAUD = 3_000_000  # of the UART of every board; USB ignores it


class SerialPort:
    """Opens a serial port by its name, such as /dev/ttyUSB0 or COM3; takes it for itself alone.

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
            raise LinkLost(f"serial port {name} cannot be opened: {error}") from error

    def read(self, most: int, timeout: float) -> bytes:
        """What has come, or comes within `timeout` seconds; at most so many bytes."""
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
        """Hand over all bytes."""
        try:
            self._port.write(data)
        except (self._error, OSError) as error:
            raise LinkLost(f"serial port {self._name} takes no bytes: {error}") from error

    def close(self) -> None:
        """Close the port."""
        self._port.close()
