"""Host link behind AXI: accesses have the model's answers, each byte arrives once, in order."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.models.host_link.mailbox import (
    BASE,
    DOWN,
    POSITIONS,
    RING,
    UP,
    WINDOW,
    Control,
    MailboxModel,
    MailboxRegister,
)
from shotveil.sim.benches.coverage import point
from shotveil.sim.benches.processor import Processor, ProcessorMemory, Ticking, quiet
from shotveil.sim.cases.axi import LinkOfOneClock
from shotveil.sim.engines.cocotb_bench import CocotbBench

MEMORY = 0x100_0000  # where the chunks lie
BYTES = 1 << 16

access = point("access", "right", "wrong address", "wrong value", "part of a register", "wraps")
way = point("way of bytes to the node", "ring", "ring beyond its end", "chunks")
back = point("bytes from the node", "some", "ring full")
word = point("word of memory", "whole", "comes with an error")
pace = point("pace", "nobody pauses", "all pause")
reset = point("reset", "in the middle of bursts", "flush with chunks on their way")


def component() -> LinkOfOneClock:
    """What is simulated."""
    return LinkOfOneClock()


class Pair:
    """The link and its model, which get the same accesses."""

    def __init__(self, bench: CocotbBench, stall: float):
        rng = bench.rng
        self.bench, self.processor = bench, Processor(bench, stall=stall)
        content = rng.integers(0, 256, BYTES, dtype=np.uint8).tobytes()
        bad = set(rng.choice(BYTES // 8, BYTES // 100, replace=False).tolist())
        self.memory = ProcessorMemory(
            bench,
            content,
            base=MEMORY,
            stall=stall,
            fails=lambda address: (address - MEMORY) // 8 in bad,
        )
        known = {MEMORY + k: byte for k, byte in enumerate(content) if k // 8 not in bad}
        self.model = MailboxModel(known)

    async def read(self, address: int) -> int:
        """A word, equal to the model's."""
        data, right = await self.processor.read(BASE + address, 4)
        assert (int.from_bytes(data, "little"), right) == self.model.read(address), hex(address)
        return int.from_bytes(data, "little")

    async def write(self, address: int, value: int) -> bool:
        """Write a word to both; whether it was right, for both."""
        right = await self.processor.write(BASE + address, value.to_bytes(4, "little"))
        assert right == self.model.write(address, value), (hex(address), value)
        return right

    async def fill(self, data: bytes) -> None:
        """Put bytes into the ring, in pieces as memcpy makes them, some of them twice."""
        head, at = self.model.down_head, 0
        while at < len(data):
            place = (head + at) % RING
            most = min(len(data) - at, RING - place, 64)
            size = int(self.bench.rng.integers(1, most + 1))
            for _ in range(1 + (self.bench.rng.random() < 0.2)):
                assert await self.processor.write(BASE + DOWN + place, data[at : at + size])
            for k, byte in enumerate(data[at : at + size], place):
                self.model.write(DOWN + k - k % 4, byte << 8 * (k % 4), 1 << k % 4)
            at += size
        if head % RING + len(data) > RING:
            way("ring beyond its end")
        assert await self.write(MailboxRegister.DOWN_HEAD, (head + len(data)) % POSITIONS)

    async def arrived(self) -> None:
        """Wait until the node has all that the model has given; it is the same."""
        due, sink = self.model.take(), self.bench.sinks["o"]
        while len(sink.words) < len(due):
            await self.bench.tick()
        await self.bench.tick(40)
        assert bytes(sink.words) == due
        sink.words.clear()


async def begun(dut: Any, stall: float) -> Pair:
    quiet()
    bench = await CocotbBench(dut, component()).begin()
    for source in bench.sources.values():
        source.stall = stall
    for sink in bench.sinks.values():
        sink.stall = stall
    pair = Pair(bench, stall)
    pace("all pause" if stall else "nobody pauses")
    return pair


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.4]))
async def accesses_and_bytes_equal_the_model(dut: Any, stall: float) -> None:
    """Right and wrong accesses in a random order, bytes both ways, chunks with bad words."""
    pair = await begun(dut, stall)
    bench, model, rng = pair.bench, pair.model, pair.bench.rng
    ticking = Ticking(bench)

    for _ in range(60):
        kind = rng.integers(8)
        if kind == 0:  # to the node by the ring
            data = rng.integers(0, 256, int(rng.integers(1, 700)), dtype=np.uint8).tobytes()
            await pair.fill(data)
            way("ring")
            await ticking.stop()
            await pair.arrived()
            ticking = Ticking(bench)
        elif kind == 1:  # by chunks
            await pair.write(MailboxRegister.CONTROL, Control.MEMORY)
            for _ in range(int(rng.integers(1, 5))):
                await pair.write(
                    MailboxRegister.CHUNK_PLACE, MEMORY + 8 * int(rng.integers(BYTES // 8 - 400))
                )
                # Chunks may be done at once, so the model counts them only when all are.
                await pair.write(MailboxRegister.CHUNK_COUNT, int(rng.integers(1, 900)))
            way("chunks")
            await ticking.stop()
            await pair.arrived()
            ticking = Ticking(bench)
            word("comes with an error" if pair.memory.failed else "whole")
            await pair.write(MailboxRegister.CONTROL, 0)
        elif kind == 2:  # from the node
            given = rng.integers(0, 256, int(rng.integers(1, 600)))
            room = RING - (model.up_head - model.up_tail) % POSITIONS
            given = given[:room]
            bench.sources["i"].send(given)
            while not bench.sources["i"].done:
                await cocotb.triggers.Timer(100, "ns")
            await cocotb.triggers.Timer(400, "ns")
            data = bytes(given.tolist())
            model.give(data)
            back("some")
            await pair.read(MailboxRegister.UP_HEAD)
            begin, count = model.up_tail % RING, len(data)
            got, right = await pair.processor.read(BASE + UP, RING)
            assert right and got[begin : begin + count] == data[: RING - begin]
            await pair.write(MailboxRegister.UP_TAIL, model.up_head)
        elif kind == 3:  # every register
            for register in MailboxRegister:
                await pair.read(register)
            access("right")
        elif kind == 4:  # nothing is there
            for address in (
                0x28,
                0xFFC,
                0x7FC,
                0x800,
                0x7FFC,
                DOWN,
                DOWN + RING,
                UP - 4,
                UP + RING,
                0xFFFC,
            ):
                await pair.read(address)
                if not DOWN <= address < DOWN + RING:
                    await pair.write(address, int(rng.integers(1 << 32)))
            for address in (BASE + WINDOW, BASE - 4, 0, 0xFFFF_FFFC):
                assert (await pair.processor.read(address, 4)) == (bytes(4), False)
                assert not await pair.processor.write(address, b"abcd")
            access("wrong address")
        elif kind == 5:  # values that would break the rings
            for register, value in (
                (MailboxRegister.DOWN_HEAD, (model.down_tail + RING + 1) % POSITIONS),
                (MailboxRegister.DOWN_HEAD, POSITIONS + model.down_head),
                (MailboxRegister.UP_TAIL, (model.up_head + 1) % POSITIONS),
                (MailboxRegister.UP_TAIL, (model.up_tail - 1) % POSITIONS),
                (MailboxRegister.IDENTITY, 0),
                (MailboxRegister.DOWN_TAIL, model.down_head),
                (MailboxRegister.UP_HEAD, 0),
                (MailboxRegister.CHUNK_PLACE, MEMORY + 4),
                (MailboxRegister.CHUNK_COUNT, 0),
                (MailboxRegister.CHUNK_COUNT, (1 << 20) + 1),
                (MailboxRegister.CONTROL, 4),
            ):
                assert not await pair.write(register, value), register
            access("wrong value")
        elif kind == 6:  # a register is written whole
            for size, at in ((1, 0), (2, 2), (3, 1)):
                assert not await pair.processor.write(
                    BASE + MailboxRegister.CONTROL + at, b"\1\0\0"[:size]
                )
            access("part of a register")
        else:  # a burst that wraps is answered, and does nothing
            right = await pair.processor.write(BASE + DOWN, bytes(16), burst=2)
            data, also = await pair.processor.read(BASE + UP, 16, burst=2)
            assert not right and not also and data == bytes(16)
            access("wraps")
    await ticking.stop()
    assert pair.memory.failed
    word("whole")


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def a_full_ring_holds_the_node_back(dut: Any) -> None:
    """The node gives more than the ring holds: the rest comes when the processor has read."""
    pair = await begun(dut, 0.0)
    bench = pair.bench
    data = bench.rng.integers(0, 256, 2 * RING + 100, dtype=np.uint8)
    bench.sources["i"].send(data.astype(np.int64))
    ticking = Ticking(bench)
    got = b""
    full = 0
    while len(got) < len(data):
        raw, _ = await pair.processor.read(BASE + MailboxRegister.UP_HEAD, 4)
        head = int.from_bytes(raw, "little")
        count = (head - len(got)) % POSITIONS
        full += count == RING
        ring, _ = await pair.processor.read(BASE + UP, RING)
        got += bytes(ring[(len(got) + k) % RING] for k in range(count))
        tail = (len(got) % POSITIONS).to_bytes(4, "little")
        assert await pair.processor.write(BASE + MailboxRegister.UP_TAIL, tail)
        for _ in range(20):
            await cocotb.triggers.Timer(2, "us")
    await ticking.stop()
    assert got == data.tobytes() and full
    back("ring full")


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def resets_of_either_side_leave_a_link_that_works(dut: Any) -> None:
    """The processor is reset amid bursts, or gives up chunks that are on their way."""
    pair = await begun(dut, 0.0)
    bench, rng = pair.bench, pair.bench.rng
    for round_ in range(12):
        ticking = Ticking(bench)
        await pair.write(MailboxRegister.CONTROL, Control.MEMORY)
        bench.sinks["o"].stall = 0.9
        for _ in range(4):
            await pair.write(MailboxRegister.CHUNK_PLACE, MEMORY)
            await pair.write(MailboxRegister.CHUNK_COUNT, 3000)
        if round_ % 2:
            cocotb.start_soon(pair.processor._master.write(BASE + DOWN, bytes(256)))
            cocotb.start_soon(pair.processor._master.read(BASE + UP, 256))
            await cocotb.triggers.Timer(int(rng.integers(100, 1500)), "ns")
            await ticking.stop()
            await bench.begin()
            pair.model = MailboxModel(pair.model.memory)
            reset("in the middle of bursts")
        else:
            await cocotb.triggers.Timer(int(rng.integers(100, 1500)), "ns")
            both = (Control.MEMORY | Control.FLUSH).to_bytes(4, "little")
            await pair.processor.write(BASE + MailboxRegister.CONTROL, both)
            busy = Control.FLUSH
            while busy:
                raw, _ = await pair.processor.read(BASE + MailboxRegister.CONTROL, 4)
                busy = raw[0] & Control.FLUSH
            await ticking.stop()
            pair.model.write(MailboxRegister.CONTROL, Control.MEMORY | Control.FLUSH)
            reset("flush with chunks on their way")
        bench.sinks["o"].stall = 0.0
        await bench.tick(200)  # what waits at the crossing
        bench.sinks["o"].words.clear()
        ticking = Ticking(bench)
        for register in MailboxRegister:
            if register != MailboxRegister.BAD_WORDS:
                await pair.read(register)
        await pair.write(MailboxRegister.CONTROL, Control.MEMORY)
        await pair.write(MailboxRegister.CHUNK_PLACE, MEMORY + 64)
        await pair.write(MailboxRegister.CHUNK_COUNT, 500)
        await ticking.stop()
        await pair.arrived()
