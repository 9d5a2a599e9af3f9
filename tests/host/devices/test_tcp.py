"""Nodes behind a TCP port."""

import socket
import threading

import numpy as np
import pytest

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.tcp import TcpPipe, open_url
from shotveil.host.devices.transport import LinkLost, Transport
from shotveil.models.common.checks import RangeError
from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.sim.cases.host_link import READ_PORTS, WRITE_PORTS, Surroundings


def test_tcp():
    """The same over a real socket, with both ends' buffers full at times."""
    device = EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, 8)
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(device.feed(data))

    thread = threading.Thread(target=serve)
    thread.start()
    with Transport(TcpPipe("127.0.0.1", server.getsockname()[1]), timeout=2.0) as link:
        for k in range(50):
            link.send(0, np.arange(k, k + 600))
            assert np.array_equal(link.receive(0, 600), np.arange(k, k + 600))
    thread.join()
    server.close()
    with pytest.raises(LinkLost, match="no node answers"):
        TcpPipe("127.0.0.1", 1)


@pytest.fixture
def pair():
    """A pipe, and the socket at its other end."""
    server = socket.create_server(("127.0.0.1", 0))
    pipe = TcpPipe("127.0.0.1", server.getsockname()[1])
    other, _ = server.accept()
    server.close()
    yield pipe, other
    other.close()
    pipe.close()


def test_bytes_come_in_portions_and_none_after_the_time(pair):
    pipe, other = pair
    other.sendall(b"abcdef")
    assert pipe.read(4, 1.0) == b"abcd" and pipe.read(4, 1.0) == b"ef"
    assert pipe.read(4, 0.01) == b""
    pipe.write(b"xyz")
    assert other.recv(9) == b"xyz"


def test_an_end_that_is_gone_says_so(pair):
    pipe, other = pair
    other.close()
    with pytest.raises(LinkLost, match=r"127\.0\.0\.1:\d+ closed the connection"):
        pipe.read(4, 1.0)


def test_an_end_that_takes_nothing_says_so(pair, monkeypatch):
    pipe, _ = pair
    monkeypatch.setattr("shotveil.host.devices.tcp.PATIENCE", 0.05)
    with pytest.raises(LinkLost, match=r"takes no bytes since 0\.05 s"):
        pipe.write(bytes(1 << 26))


@pytest.mark.parametrize("port", ["0", "65536"])
def test_ports_that_are_none(port):
    with pytest.raises(RangeError, match=f"TCP port = {port}"):
        open_url(f"localhost:{port}", None, None)
    with pytest.raises(RangeError, match=f"port = {port}"):
        TcpPipe("localhost", int(port))


def test_addresses_that_are_none():
    for where in ("localhost", ":5025", "localhost:", "localhost:http", "localhost:-1"):
        with pytest.raises(RangeError, match=rf"'tcp:{where}' is no address; allowed: tcp:HOST:"):
            open_url(where, None, None)
    with pytest.raises(RangeError, match="a plant was given for tcp:localhost:5025"):
        open_url("localhost:5025", None, lambda codes: codes)
    with pytest.raises(DeviceError, match=r"tcp:127\.0\.0\.1:1: no node answers at"):
        open_url("127.0.0.1:1", None, None)
