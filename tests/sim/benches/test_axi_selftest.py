"""The node of the self-test, and the board's program on plain memory instead of a bus."""

from types import SimpleNamespace

import pytest

from shotveil.host.devices.mailbox import NodeMailbox
from shotveil.models.node.spec import QUADRATURES
from shotveil.sim.benches.axi_selftest import ADDRESS, SIZE, Buffer, MailboxPipe, loopback
from tests.host.devices.boarding import ModelRegisters, PlainMemory


@pytest.mark.parametrize("role", ["server", "client"])
def test_a_node_for_a_selftest_hears_itself(role):
    spec = loopback(role)
    assert spec.loopback and spec.digitiser.quadratures == QUADRATURES[role]


def test_a_buffer_is_the_memorys():
    memory = SimpleNamespace(data=bytearray(16))
    buffer = Buffer(memory)
    buffer.set_word(4, 0x04030201)
    buffer.write(9, b"ab")
    assert buffer.word(4) == 0x04030201 and buffer.read(8, 4) == b"\0ab\0"
    assert bytes(memory.data) == bytes([0, 0, 0, 0, 1, 2, 3, 4, 0, 97, 98, 0, 0, 0, 0, 0])


def test_a_pipe_lets_time_pass_only_while_it_waits():
    class Reversed:
        def feed(self, data):
            return data[::-1]

    memory = PlainMemory(SIZE)
    bench = SimpleNamespace(clock=0)
    mailbox = NodeMailbox(ModelRegisters(Reversed(), memory), memory, ADDRESS, SIZE)
    pipe = MailboxPipe(bench, mailbox)
    pipe.write(b"abc")
    assert pipe.read(10, 1.0) == b"cba" and pipe.time() == 0

    def taken():
        bench.clock += 1000
        return b""

    mailbox.take = taken
    assert pipe.read(10, 1e-4) == b"" and pipe.time() == pytest.approx(1.04e-4)
