"""Hosts of a node behind a socket: who is served, what they are sent, when nobody waits."""

import socket
import struct
import threading

import pytest

from shotveil.sim.loop import node_server
from shotveil.sim.loop.node_server import IDLE, serve


class Pipe:
    """Stands for a node: some blocks after it was told something, it says that backwards."""

    def __init__(self, blocks=3):
        self.blocks, self.told, self.asked, self.advanced = blocks, [], [], 0
        self.due = []

    def write(self, data):
        self.told.append(data)
        self.due.append((self.advanced + self.blocks, data[::-1]))

    def advance(self):
        self.advanced += 1

    def read(self, most, timeout):
        self.asked.append((most, timeout))
        ready = [data for at, data in self.due if at <= self.advanced]
        self.due = [pair for pair in self.due if pair[0] > self.advanced]
        return b"".join(ready)[:most]


@pytest.fixture
def server():
    """Serve so many hosts in a thread; the address to call. Ends when they have gone."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def start(pipe, hosts=1):
        threads.append(threading.Thread(target=serve, args=(pipe, listener, hosts), daemon=True))
        threads[0].start()
        return listener.getsockname()

    with listener:
        yield start
        threads[0].join(10)
        assert not threads[0].is_alive()


def test_what_a_host_says_reaches_the_node_and_its_answer_the_host(server):
    pipe = Pipe()
    with socket.create_connection(server(pipe), 10) as host:
        for said in (b"abc", b"\0" * 70_000 + b"\1"):
            host.sendall(said)
            heard = b""
            while len(heard) < len(said):
                heard += host.recv(1 << 16)
            # Each piece is told backwards.
            assert sorted(heard) == sorted(said)
    assert b"".join(pipe.told) == b"abc" + b"\0" * 70_000 + b"\1"
    assert max(map(len, pipe.told)) <= 1 << 16
    assert set(pipe.asked) == {(1 << 16, 0.0)} and len(pipe.asked) == pipe.advanced


def test_one_host_after_the_other_and_the_node_stays_as_it_is(server):
    pipe = Pipe()
    address = server(pipe, hosts=2)
    for said in (b"one", b"two"):
        with socket.create_connection(address, 10) as host:
            host.sendall(said)
            assert host.recv(9) == said[::-1]
    assert pipe.told == [b"one", b"two"] and pipe.advanced >= 2 * pipe.blocks


def test_a_host_that_hangs_up_in_a_rude_way_is_no_matter(server):
    pipe = Pipe(blocks=1)
    address = server(pipe, hosts=3)
    for said in (b"", b"x"):
        with socket.create_connection(address, 10) as host:
            host.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            host.sendall(said)  # and the connection is reset
    with socket.create_connection(address, 10) as host:
        host.sendall(b"there")
        assert host.recv(9)[-5:] == b"ereht"


class Gone:
    """A connection to a host that is gone when it is spoken to; counts what was sent."""

    def __init__(self, told):
        self.told = told

    def recv(self, most):
        return self.told.pop(0)

    def sendall(self, data):
        raise ConnectionResetError


def test_an_answer_to_a_host_that_is_gone_ends_the_talk(monkeypatch):
    monkeypatch.setattr(node_server.select, "select", lambda read, *_: (read, [], []))
    gone = Gone([b"a", b"b", b"c"])
    node_server._talk(Pipe(blocks=2), gone)
    assert gone.told == [b"c"]


class Host:
    """A connection that says something, or nothing, each time; keeps what it hears."""

    def __init__(self, *said):
        self.said, self.heard = list(said), []

    def recv(self, most):
        assert most == 1 << 16
        return self.said.pop(0)

    def sendall(self, data):
        self.heard.append(data)


def test_time_passes_at_once_while_somebody_speaks_and_slowly_otherwise(monkeypatch):
    host, pipe, waits = Host(None, None, b"abc", *[None] * 4, b""), Pipe(blocks=2), []

    def select(read, write, other, timeout):
        assert (read, write, other) == ([host], [], [])
        waits.append(timeout)
        if host.said[0] is not None:
            return read, [], []
        host.said.pop(0)
        return [], [], []

    monkeypatch.setattr(node_server.select, "select", select)
    node_server._talk(pipe, host)
    assert host.heard == [b"cba"] and not host.said
    # It is told something in the third block, and answers in the fourth: both are followed at once.
    assert waits == [0, IDLE, IDLE, 0, 0, IDLE, IDLE, IDLE] and IDLE == 0.001
    assert pipe.advanced == 7, "a block each time, but for the end"


def test_packets_go_out_at_once(server, monkeypatch):
    seen = []
    monkeypatch.setattr(
        node_server, "_talk",
        lambda pipe, connection: seen.append(
            connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        ),
    )  # fmt: skip
    with socket.create_connection(server(Pipe()), 10) as host:
        assert host.recv(1) == b"", "hung up after the talk"
    assert seen and seen[0]


class Listener:
    """Gives connections whose other end has hung up, and then Ctrl-C."""

    left = 5

    def accept(self):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        with (
            socket.create_server(("127.0.0.1", 0)) as at,
            socket.create_connection(at.getsockname()),
        ):
            return at.accept()


def test_hosts_without_end_by_default():
    listener, pipe = Listener(), Pipe()
    with pytest.raises(KeyboardInterrupt):
        serve(pipe, listener)
    assert not listener.left and not pipe.advanced
