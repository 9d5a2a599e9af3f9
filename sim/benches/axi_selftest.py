"""The self-test of a node through its AXI ports, with the code of the board's own program.

`host.devices.mailbox` does each access on the bus of the simulator, as it would on a board, and
`host.devices.selftest` compares the node with the models to the bit. Only TCP is left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cocotb.task import bridge, resume

from shotveil.host.devices.link import LinkDevice
from shotveil.host.devices.mailbox import NodeMailbox
from shotveil.host.devices.node import Node
from shotveil.host.devices.selftest import selftest
from shotveil.host.devices.transport import Transport
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.host_link.mailbox import BASE, CHUNKS
from shotveil.models.node.spec import CLOCK_HZ, QUADRATURES, NodeSpec, Role
from shotveil.sim.benches.coverage import point
from shotveil.sim.benches.processor import Processor, ProcessorMemory, Ticking, quiet
from shotveil.sim.cases.axi import NodeBehindAxi
from shotveil.sim.engines.cocotb_bench import CocotbBench

ADDRESS, SIZE = 0x100_0000, 2048 * CHUNKS  # of the buffer
PATIENCE = 2e-4  # seconds of the node's time until a packet is sent again

way = point("way of bytes to the node", "ring", "memory")
pace = point("pace", "nobody pauses", "all pause")
fault = point("memory", "never fails", "fails, and packets are sent again")


def loopback(role: Role) -> NodeSpec:
    """A node whose memories are just large enough for a self-test."""
    return NodeSpec(
        role=role,
        drive=DriveSpec(row_capacity=1024),
        digitiser=DigitiserSpec(quadratures=QUADRATURES[role], modes=128, row_capacity=1024),
        capture=1024,
        replay=1024,
        loopback=True,
    )


class Bus:
    """The registers, for a thread of cocotb's: every access is one on the simulated bus."""

    def __init__(self, processor: Processor):
        self._processor = processor

    def word(self, address: int) -> int:
        """Read a word."""
        return int.from_bytes(self.read(address, 4), "little")

    def set_word(self, address: int, value: int) -> None:
        """Write a word."""
        self.write(address, value.to_bytes(4, "little"))

    def read(self, address: int, count: int) -> bytes:
        """Read bytes. Raises `OSError` for an error, where a processor would end the program."""
        data, right = self._read(address, count)
        if not right:
            raise OSError(f"bus error at {address:#x}")
        return bytes(data)

    def write(self, address: int, data: bytes) -> None:
        """Write bytes. Raises `OSError` for an error."""
        if not self._write(address, data):
            raise OSError(f"bus error at {address:#x}")

    @resume
    async def _read(self, address: int, count: int) -> tuple[bytes, bool]:
        return await self._processor.read(BASE + address, count)

    @resume
    async def _write(self, address: int, data: bytes) -> bool:
        return await self._processor.write(BASE + address, data)


class Buffer:
    """The buffer in the processor's memory, which it reaches without the simulated bus."""

    def __init__(self, memory: ProcessorMemory):
        self._data = memory.data

    def word(self, address: int) -> int:
        """Read a word."""
        return int.from_bytes(self._data[address : address + 4], "little")

    def set_word(self, address: int, value: int) -> None:
        """Write a word."""
        self.write(address, value.to_bytes(4, "little"))

    def read(self, address: int, count: int) -> bytes:
        """Read bytes."""
        return bytes(self._data[address : address + count])

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        self._data[address : address + len(data)] = data


class MailboxPipe:
    """A `BytePipe` through the mailbox, in the node's time."""

    def __init__(self, bench: CocotbBench, mailbox: NodeMailbox):
        self._bench, self._mailbox = bench, mailbox

    def time(self) -> float:
        """The node's time in seconds."""
        return self._bench.clock / CLOCK_HZ

    def read(self, most: int, timeout: float) -> bytes:
        """Bytes from the node; none if none came in `timeout` seconds. It may give more."""
        until = self.time() + timeout
        while not (data := self._mailbox.take()) and self.time() < until:
            pass
        return data

    def write(self, data: bytes) -> None:
        """Give all bytes to the node."""
        while data:
            data = data[self._mailbox.put(data) :]

    def close(self) -> None:
        """Nothing is to be released."""


async def play(dut: Any, spec: NodeSpec, *, ring: bool, stall: float, errors: float) -> None:
    """Run the self-test, and sample the points of a bench.

    `ring`: bytes go through the ring instead of memory. `stall`: probability that a channel pauses.
    `errors`: probability that a word of memory comes with an error.
    """
    quiet()
    bench = await CocotbBench(dut, NodeBehindAxi(spec)).begin()
    rng = np.random.default_rng(bench.rng.integers(2**32))
    memory = ProcessorMemory(
        bench, bytes(SIZE), base=ADDRESS, stall=stall, fails=lambda address: rng.random() < errors
    )
    bus = Bus(Processor(bench, stall=stall))
    found: list[Transport] = []

    @bridge
    def host() -> None:
        mailbox = NodeMailbox(bus, *(() if ring else (Buffer(memory), ADDRESS, SIZE)))
        pipe = MailboxPipe(bench, mailbox)
        nonce = int(bench.rng.integers(2**32))
        link = Transport(pipe, timeout=PATIENCE, clock=pipe.time, nonce=nonce)
        checks = selftest(Node(LinkDevice(link, f"axi:{spec.role}", spec), patience=60), bench.rng)
        failed = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
        assert len(checks) > 10 and not failed, failed
        found.append(link)

    ticking = Ticking(bench)
    await host()
    await ticking.stop()
    (link,) = found
    way("ring" if ring else "memory")
    pace("all pause" if stall else "nobody pauses")
    fault("fails, and packets are sent again" if errors else "never fails")
    if errors:
        assert link.traffic.sent > link.traffic.requests
