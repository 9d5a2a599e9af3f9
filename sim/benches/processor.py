"""A processor at AXI ports in the simulator: accesses of every kind, and memory that fails.

The channels are those of cocotbext-axi, which follow the rules of AXI and check them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import with_timeout
from cocotbext.axi import (
    AxiBus,
    AxiMaster,
    AxiReadBus,
    AxiResp,
    AxiSlaveRead,
    AxiSlaveWrite,
    AxiWriteBus,
)

from shotveil.gateware.axi.port import LONGEST
from shotveil.sim.engines.cocotb_bench import CocotbBench

PATIENCE = 200  # µs until an access has its answer; a real processor would wait for ever


def quiet() -> None:
    """Keep the channels from logging every burst."""
    for name in ("cocotb.dut", "cocotb.dut.registers_", "cocotb.dut.memory_", "cocotb.dut.axi_"):
        logging.getLogger(name).setLevel(logging.ERROR)


def pauses(rng: np.random.Generator, stall: float) -> Any:
    """A generator of pauses, true with this probability in each clock."""
    while True:
        yield rng.random() < stall


class Processor:
    """The master of an AXI port `prefix`, whose channels all pause with the probability `stall`."""

    def __init__(self, bench: CocotbBench, prefix: str = "registers_", stall: float = 0.0):
        dut = bench.dut
        self._master = AxiMaster(
            AxiBus.from_prefix(dut, prefix), dut.clk, dut.rst, max_burst_len=LONGEST
        )
        writes, reads = self._master.write_if, self._master.read_if
        for channel in (
            writes.aw_channel,
            writes.w_channel,
            writes.b_channel,
            reads.ar_channel,
            reads.r_channel,
        ):
            if stall:
                channel.set_pause_generator(pauses(bench.rng, stall))

    async def write(self, address: int, data: bytes, **how: Any) -> bool:
        """Write bytes in bursts; whether all answers were OKAY."""
        answer = await _answered(self._master.write(address, data, **how))
        return bool(answer.resp == AxiResp.OKAY)

    async def read(self, address: int, count: int, **how: Any) -> tuple[bytes, bool]:
        """Read bytes in bursts; they, and whether all answers were OKAY."""
        answer = await _answered(self._master.read(address, count, **how))
        return bytes(answer.data), bool(answer.resp == AxiResp.OKAY)


async def _answered(access: Any) -> Any:
    """The answer to an access. Raises `SimTimeoutError` if there is none in time."""

    async def run() -> Any:
        return await access

    return await with_timeout(cocotb.start_soon(run()), PATIENCE, "us")


class ProcessorMemory:
    """Memory behind a read port `prefix`.

    `fails` says of the address of each word whether it comes with an error. `latency` clocks pass
    from a request to its first word, and requests follow each other without a pause. The words
    pause with the probability `stall`. With `writes` the port takes writes too; `refuses` says of
    the address of each whether it is answered by an error.
    """

    def __init__(
        self,
        bench: CocotbBench,
        data: bytes,
        prefix: str = "memory_",
        *,
        base: int = 0,
        stall: float = 0.0,
        latency: int = 0,
        fails: Callable[[int], bool] = lambda address: False,
        writes: bool = False,
        refuses: Callable[[int], bool] = lambda address: False,
    ):
        dut, memory = bench.dut, self
        self.data, self.base, self.fails = bytearray(data), base, fails
        self.failed: list[int] = []  # addresses of the words that came with an error

        class Slave(AxiSlaveRead):
            async def _read(self, address: int, length: int) -> bytes:
                return memory.word(address, length)

        # cocotbext-axi turns the exception of a word into SLVERR, and would log each.
        self.slave = Slave(AxiReadBus.from_prefix(dut, prefix), dut.clk, dut.rst)
        self.slave.log = logging.getLogger("silent")
        self.slave.log.setLevel(logging.CRITICAL)
        self.slave.ar_channel.queue_occupancy_limit = 64
        self.slave.r_channel.queue_occupancy_limit = 1 << 16
        if latency:
            self._delay(bench, latency)
        if writes:
            self._take_writes(dut, prefix, stall, bench.rng, refuses)
        if stall:
            self.slave.r_channel.set_pause_generator(pauses(bench.rng, stall))

    def word(self, address: int, length: int) -> bytes:
        """The bytes at an address. Raises `OSError` where the memory fails."""
        at = address - self.base
        if self.fails(address) or not 0 <= at <= len(self.data) - length:
            self.failed.append(address)
            raise OSError(f"no memory at {address:#x}")
        return bytes(self.data[at : at + length])

    def _take_writes(
        self,
        dut: Any,
        prefix: str,
        stall: float,
        rng: np.random.Generator,
        refuses: Callable[[int], bool],
    ) -> None:
        memory = self

        class Slave(AxiSlaveWrite):
            async def _write(self, address: int, data: bytes) -> None:
                at = address - memory.base
                if refuses(address) or not 0 <= at <= len(memory.data) - len(data):
                    raise OSError(f"no memory at {address:#x}")
                memory.data[at : at + len(data)] = data

        slave = Slave(AxiWriteBus.from_prefix(dut, prefix), dut.clk, dut.rst)
        slave.log = logging.getLogger("silent")
        for channel in (slave.aw_channel, slave.w_channel, slave.b_channel):
            if stall:
                channel.set_pause_generator(pauses(rng, stall))

    def _delay(self, bench: CocotbBench, latency: int) -> None:
        """Let each word pass a delay line on its way to the channel."""
        due: list[tuple[int, Any]] = []

        async def later(word: Any) -> None:
            due.append((bench.clock + latency, word))

        def act() -> None:
            while due and due[0][0] <= bench.clock:
                self.slave.r_channel.send_nowait(due.pop(0)[1])

        self.slave.r_channel.send = later
        bench.surroundings.append(act)


class Ticking:
    """Lets clocks go by in the background, from now until `stop` has returned."""

    def __init__(self, bench: CocotbBench):
        self._bench, self._stopped = bench, False
        self._task = cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while not self._stopped:
            await self._bench.tick()

    async def stop(self) -> None:
        """End with the present clock, so that no stream misses what it has driven."""
        self._stopped = True
        await self._task
