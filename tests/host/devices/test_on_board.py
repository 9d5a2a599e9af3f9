"""The program on a board: today's host opens its node unchanged, and a second client is told so."""

import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from shotveil.host.devices import on_board
from shotveil.host.devices.mailbox import NodeMailbox
from shotveil.host.devices.node import Node
from shotveil.host.devices.on_board import BoardServer, main
from shotveil.host.devices.selftest import selftest
from shotveil.host.devices.tcp import TcpPipe, open_url
from shotveil.host.devices.transport import LinkLost, Transport
from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.models.host_link.mailbox import IDENTITY, WINDOW
from shotveil.models.node.spec import NodeSpec
from shotveil.sim.cases.host_link import READ_PORTS, WRITE_PORTS, Surroundings
from shotveil.sim.loop.node_device import NodePipe
from tests.host.devices.boarding import ADDRESS, ModelRegisters, PlainMemory
from tests.host.devices.test_bitstream import HEADER, TURNED, WORDS

SIZE = 1 << 16


@contextmanager
def served(way, device=None):
    """A server on this machine with a device or the link's model behind it, and what it tells."""
    memory = PlainMemory(SIZE) if way == "memory" else None
    device = device or EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, 8)
    registers = ModelRegisters(device, memory)
    mailbox = NodeMailbox(registers, *((memory, ADDRESS, SIZE) if memory else ()))
    server, told = BoardServer(mailbox, port=0), []
    thread = threading.Thread(target=server.serve, args=(told.append,))
    thread.start()
    try:
        yield server.address, registers, told
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("way", ["ring", "memory"])
def test_the_host_works_unchanged(way):
    with served(way) as (address, _, told):
        for _ in range(2):  # a session after another
            with Transport(TcpPipe(*address), timeout=5.0) as link:
                for k in range(20):
                    link.send(0, np.arange(k, k + 600))
                    assert np.array_equal(link.receive(0, 600), np.arange(k, k + 600))
                link.write(3, [k, 7])
                assert list(link.read(3, 2)) == [k, 7]
                assert link.traffic.timeouts == 0
        deadline = time.monotonic() + 10
        while len(told) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert [line.split(" ", 1)[1] for line in told] == ["has the node", "has left"] * 2


def test_memory_that_fails_costs_a_repeat_and_nothing_is_done_twice():
    with served("memory") as (address, registers, told):
        with Transport(TcpPipe(*address), timeout=0.2) as link:
            for k in range(30):
                # A word near the beginning of every fifth slot comes with an error, once.
                registers.memory.fails = set(range(ADDRESS, ADDRESS + SIZE, 5 * SIZE // 16))
                link.send(0, np.arange(k, k + 300))
                assert np.array_equal(link.receive(0, 300), np.arange(k, k + 300))
            assert link.traffic.sent > link.traffic.requests + 10
        deadline = time.monotonic() + 10
        while len(told) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "errors while it read memory" in told[-1]


def test_a_second_client_is_told_so_and_the_first_goes_on():
    with served("ring") as (address, _, _), Transport(TcpPipe(*address)) as link:
        second = TcpPipe(*address)
        with pytest.raises(LinkLost, match=r"closed the connection|is gone"):
            Transport(second, attempts=2)
        second.close()
        assert list(link.receive(2, 3)) == [0, 1, 2]


def test_a_client_that_breaks_off_leaves_the_node_to_the_next():
    with served("memory") as (address, _, _):
        for _ in range(3):
            gone = socket.create_connection(address)
            gone.sendall(b"\x07half a frame")
            gone.close()
        deadline = time.monotonic() + 10
        while True:
            try:
                with Transport(TcpPipe(*address)) as link:
                    assert list(link.receive(2, 1)) == [0]
                break
            except LinkLost:  # those before it are still being noticed
                assert time.monotonic() < deadline
                time.sleep(0.02)


class Compiled:
    """The compiled gateware of a node; time passes while somebody looks."""

    def __init__(self, spec):
        self._pipe = NodePipe(spec)

    def feed(self, data):
        self._pipe.write(data)
        self._pipe.advance()
        return self._pipe.take()


def test_gateware_passes_the_selftest_through_the_program():
    """`tcp:HOST:PORT` as for every other node: the same host, the same test, all of it equal."""
    with (
        served("memory", Compiled(NodeSpec())) as (address, _, _),
        Node(open_url(f"{address[0]}:{address[1]}", None, None)) as node,
    ):
        checks = selftest(node, np.random.default_rng(5))
    assert len(checks) > 10 and not [check for check in checks if not check.passed]


def test_bit2bin(tmp_path, capsys):
    bit, made = tmp_path / "top.bit", tmp_path / "node.bit.bin"
    bit.write_bytes(HEADER + WORDS)
    assert main(["bit2bin", str(bit), str(made)]) == 0
    assert made.read_bytes() == TURNED and "24 bytes" in capsys.readouterr().out
    bit.write_bytes(b"no")
    assert main(["bit2bin", str(bit), str(made)]) == 1
    assert capsys.readouterr().err.startswith("node.pyz: the file has no header")


def test_check_touches_nothing_before_the_logic_is_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(on_board, "MANAGER", tmp_path / "state")

    def never(*_):
        raise AssertionError("touched")

    with monkeypatch.context() as inside:
        inside.setattr(on_board, "MappedView", never)
        assert main(["check"]) == 1
        assert "the FPGA is absent, not operating: load" in capsys.readouterr().err
        (tmp_path / "state").write_text("unknown\n")
        assert main(["serve"]) == 1
        assert "the FPGA is unknown" in capsys.readouterr().err
    uio = tmp_path / "uio"
    uio.write_bytes(IDENTITY.to_bytes(4, "little") + bytes(WINDOW))
    assert main(["check", "--file", str(uio), "--base", "0", "--ring"]) == 1
    assert "S_AXI_HP0" in capsys.readouterr().err  # nothing ends a flush in a plain file
