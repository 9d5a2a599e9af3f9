"""Reader of memory: every word once and in order at full pace, bad words told from good ones."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.gateware.axi.port import BOUNDARY, LONGEST
from shotveil.models.common.fixedpoint import IntArray
from shotveil.sim.benches.coverage import point
from shotveil.sim.benches.processor import ProcessorMemory, quiet
from shotveil.sim.cases.axi import PlainReader
from shotveil.sim.engines.cocotb_bench import CocotbBench

BYTES = 1 << 20
CLOCK_HZ = 125e6
FLOOR = 400e6  # bytes a second with a memory that pauses half the time
FAULTS = 10_000

length = point("burst", "one word", "some words", "sixteen words")
edge = point("piece", "within a page", "across pages", "one word long")
word = point("word", "good", "bad")
pace = point("pace", "memory never pauses", "memory pauses half the time", "100 clocks of latency")
dropped = point("flush", "between pieces", "with bursts on their way")


def component() -> PlainReader:
    """What is simulated."""
    return PlainReader()


class Taker:
    """Takes the words of a reader, each with a flag, and looks at its requests."""

    def __init__(self, bench: CocotbBench, stall: float = 0.0):
        self._bench, self._dut, self.stall = bench, bench.dut, stall
        self.words: list[int] = []
        self.clocks: list[int] = []
        bench.surroundings.append(self._act)

    def _act(self) -> None:
        dut = self._dut
        taking = self._bench.rng.random() >= self.stall
        dut.ready.value = int(taking)
        if taking and int(dut.valid.value):
            self.words.append(int(dut.data.value) | int(dut.bad.value) << 64)
            self.clocks.append(self._bench.clock)
        if int(dut.axi__arvalid.value) and int(dut.axi__arready.value):
            words, at = int(dut.axi__arlen.value) + 1, int(dut.axi__araddr.value)
            assert words <= LONGEST and at // BOUNDARY == (at + 8 * words - 1) // BOUNDARY
            length({1: "one word", LONGEST: "sixteen words"}.get(words, "some words"))


def due(memory: ProcessorMemory, pieces: IntArray) -> list[int]:
    """The words of pieces, shape (n, 2), a flag above those that come with an error."""
    found = []
    for first, count in pieces.tolist():
        for at in range(8 * first, 8 * (first + count), 8):
            good = not memory.fails(at)
            found.append(int.from_bytes(memory.data[at : at + 8], "little") if good else 1 << 64)
    return found


async def begun(dut: Any, **how: Any) -> tuple[CocotbBench, ProcessorMemory, Taker]:
    quiet()
    bench = await CocotbBench(dut, component()).begin()
    content = bench.rng.integers(0, 256, BYTES, dtype=np.uint8).tobytes()
    memory = ProcessorMemory(bench, content, "axi_", **how)
    return bench, memory, Taker(bench)


async def fetch(bench: CocotbBench, taker: Taker, pieces: IntArray) -> list[int]:
    """Ask for pieces and return their words."""
    taker.words.clear()
    taker.clocks.clear()
    count = int(pieces[:, 1].sum())
    bench.sources["i"].send({"word": pieces[:, 0], "words": pieces[:, 1]})
    limit = bench.clock + 40 * count + 20_000
    while len(taker.words) < count:
        await bench.tick()
        assert bench.clock < limit, f"{len(taker.words)} of {count} words came"
    await bench.tick(300)
    return taker.words


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def a_memory_that_pauses_half_the_time_gives_400_megabytes_a_second(dut: Any) -> None:
    """From the request to the last word; at 125 MHz."""
    bench, memory, taker = await begun(dut, stall=0.5)
    pieces = np.array([[5, 16_000]])
    start = bench.clock
    assert await fetch(bench, taker, pieces) == due(memory, pieces)
    seconds = (taker.clocks[-1] + 1 - start) / CLOCK_HZ
    cocotb.log.info("%.0f MB/s", 8 * 16_000 / seconds / 1e6)
    assert 8 * 16_000 / seconds >= FLOOR
    pace("memory pauses half the time")


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def latency_leaves_no_gap(dut: Any) -> None:
    """A word a clock from the first to the last, over pieces that follow each other."""
    bench, memory, taker = await begun(dut, latency=100)
    pieces = np.array([[0, 4000], [9000, 160], [4096, 4096]])
    assert await fetch(bench, taker, pieces) == due(memory, pieces)
    clocks = np.diff(taker.clocks)
    assert clocks.max() == 1, f"a gap of {clocks.max() - 1} clocks"
    pace("100 clocks of latency")


@cocotb.test(timeout_time=200, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.5]))
async def ten_thousand_faults_are_told_and_nothing_comes_twice(dut: Any, stall: float) -> None:
    """Words with errors, pieces of every length, bursts at the edges of pages."""
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    bad = set(rng.choice(BYTES // 8, BYTES // 16, replace=False).tolist())
    bench, memory, taker = await begun(dut, stall=stall, fails=lambda address: address // 8 in bad)
    taker.stall = stall / 2
    words = rng.integers(1, 60, 800)
    words[::7] = 1
    pieces = np.stack([rng.integers(0, BYTES // 8 - 100, 800), words], axis=1)
    got = await fetch(bench, taker, pieces)
    assert got == due(memory, pieces)
    faults = sum(entry >> 64 for entry in got)
    assert faults == len(memory.failed) >= FAULTS
    cocotb.log.info("%d words with errors", faults)
    for first, count in pieces.tolist():
        across = 8 * first // BOUNDARY != (8 * (first + count) - 1) // BOUNDARY
        edge("one word long" if count == 1 else "across pages" if across else "within a page")
    word("good")
    word("bad")
    if not stall:
        pace("memory never pauses")


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def what_is_flushed_never_comes(dut: Any) -> None:
    """Pieces that are given up at any time; the next piece comes whole."""
    bench, memory, taker = await begun(dut, stall=0.3)
    rng = bench.rng
    for _ in range(40):
        pieces = np.stack([rng.integers(0, 10_000, 3), rng.integers(1, 300, 3)], axis=1)
        taker.words.clear()
        bench.sources["i"].send({"word": pieces[:, 0], "words": pieces[:, 1]})
        await bench.tick(int(rng.integers(1, 400)))
        begun_ = due(memory, pieces)[: len(taker.words)]
        assert taker.words == begun_
        moving = not bench.get("idle")
        bench.sources["i"].rest()
        bench.set(flush=1)
        await bench.tick()
        while not bench.get("idle"):
            await bench.tick()
        await bench.tick()
        assert taker.words == begun_ or len(taker.words) == len(begun_) + 1
        bench.set(flush=0)
        dropped("with bursts on their way" if moving else "between pieces")
        piece = np.array([[int(rng.integers(10_000)), int(rng.integers(1, 50))]])
        assert await fetch(bench, taker, piece) == due(memory, piece)
