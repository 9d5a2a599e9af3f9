"""The serial port, over a pseudo-terminal with the device's model at its other end."""

import os
import select
import threading
import tty

import numpy as np
import pytest

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.serial_port import SerialPort, open_url
from shotveil.host.devices.transport import LinkLost, Transport
from shotveil.models.common.checks import RangeError
from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.models.host_link.packet import BAUD
from shotveil.sim.cases.host_link import DEPTH, READ_PORTS, WRITE_PORTS, Surroundings


@pytest.fixture
def board():
    """Name of a port with a node behind it, and a call that unplugs it."""
    inner, outer = os.openpty()
    tty.setraw(outer)
    device = EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, window=8)
    unplugged = threading.Event()

    def serve():
        while not unplugged.is_set():
            if select.select([inner], [], [], 0.02)[0]:
                try:
                    os.write(inner, device.feed(os.read(inner, 4096)))
                except OSError:  # nobody has the port open
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    ends = [inner, outer]

    def unplug():
        unplugged.set()
        thread.join()
        while ends:
            os.close(ends.pop())

    yield os.ttyname(outer), unplug
    unplug()


def test_packets_go_through_a_serial_port_with_every_byte_as_it_is(board):
    name, _ = board
    with Transport(SerialPort(name)) as link:
        # All bytes, those that a terminal would take for commands among them.
        words = (np.arange(DEPTH, dtype=np.int64) * 0x01030507 + 0x11130D0A) % 2**32
        link.send(1, words)
        assert link.receive(1, DEPTH).tolist() == words.tolist()
        link.write(5, [0x11131A04, 0x0A0D0003])
        assert link.read(5, 2).tolist() == [0x11131A04, 0x0A0D0003]


def test_an_unplugged_port_says_so(board):
    name, unplug = board
    link = Transport(SerialPort(name), timeout=0.05)
    unplug()
    with pytest.raises(LinkLost):
        link.read(5)


def test_a_port_that_is_not_there_says_so():
    with pytest.raises(LinkLost, match="/dev/no-such-port cannot be opened"):
        SerialPort("/dev/no-such-port")
    with pytest.raises(RangeError, match="baud"):
        SerialPort("/dev/no-such-port", baud=0)


@pytest.mark.parametrize(
    "where, message",
    [
        ("", "'serial:' names no port; allowed: serial:PORT, serial:PORT@BAUD"),
        ("@9600", "'serial:@9600' names no port"),
        ("/dev/null@", "baud rate = ''; allowed: a whole number"),
        ("/dev/null@fast", "baud rate = 'fast'; allowed: a whole number"),
        ("/dev/null@0", "baud = 0"),
    ],
)
def test_urls_that_are_none(where, message):
    with pytest.raises(RangeError, match=message):
        open_url(where, None, None)


def test_a_url_says_port_and_rate(monkeypatch):
    opened = []

    def port(name, baud):
        opened.append((name, baud))
        raise LinkLost("not today")

    monkeypatch.setattr("shotveil.host.devices.serial_port.SerialPort", port)
    for where in ("/dev/ttyX", "COM3@115200"):
        with pytest.raises(DeviceError, match=f"serial:{where}: not today"):
            open_url(where, None, None)
    assert opened == [("/dev/ttyX", BAUD), ("COM3", 115200)] and BAUD == 3_000_000
    with pytest.raises(RangeError, match="a plant was given for serial:COM3"):
        open_url("COM3", None, lambda codes: codes)


def test_bytes_come_in_portions_and_none_after_the_time(board):
    name, _ = board
    port = SerialPort(name)
    assert port.read(9, 0.01) == b"" and port.read(9, 0.0) == b""
    Transport(port).ping()
    port.write(b"\0")
    port.close()
