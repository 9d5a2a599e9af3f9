"""Row store in a processor's memory: the same rows, at full pace, and none that is not whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np

from shotveil.models.common.fixedpoint import IntArray
from shotveil.sim.benches.coverage import point
from shotveil.sim.benches.processor import ProcessorMemory, quiet
from shotveil.sim.benches.stored_rows import flush, got, loaded
from shotveil.sim.cases.axi import RowsBehindAxi
from shotveil.sim.cases.node import row_store_cases
from shotveil.sim.engines.cocotb_bench import CocotbBench
from shotveil.sim.engines.equality import Case

BASE, SPEC = RowsBehindAxi.BASE, RowsBehindAxi.SPEC
CLOCK_HZ = 125e6
FLOOR = 400e6  # bytes a second, of symbols of 4
SETTLE = 200  # clocks after a flush, until the memory has given what it was asked for

pace = point("pace", "memory never pauses", "memory pauses half the time", "100 clocks of latency")
fault = point("fault", "a word that cannot be read", "a word that cannot be written")
dropped = point("flush", "between rows", "with a row on its way")


def component() -> RowsBehindAxi:
    """What is simulated."""
    return RowsBehindAxi()


def plain(case: Case) -> Case:
    """A case for the row store without the switch that spoils its memory."""
    settings = {n: v for n, v in case.run.settings.items() if n != "spoil"}
    return replace(case, run=replace(case.run, settings=settings))


async def begun(dut: Any, **how: Any) -> tuple[CocotbBench, ProcessorMemory]:
    """A bench with a memory that takes writes, which holds 8 bytes more than the rows."""
    quiet()
    bench = await CocotbBench(dut, component()).begin()
    content = bench.rng.integers(0, 256, 4 * SPEC.store + 8, dtype=np.uint8).tobytes()
    return bench, ProcessorMemory(bench, content, "axi_", base=BASE, writes=True, **how)


async def filled(bench: CocotbBench) -> IntArray:
    """Load all symbols; return them, packed."""
    return await loaded(bench, SPEC, SPEC.store, plain)


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.5]))
async def equals_the_model_as_in_block_ram(dut: Any, stall: float) -> None:
    """The same loads, rows and refusals as of the store in block RAM."""
    bench, memory = await begun(dut, stall=stall)
    spare = bytes(memory.data[-8:])
    for case in row_store_cases(400, np.random.default_rng(cocotb.RANDOM_SEED), SPEC):
        await bench.check(plain(case))
    assert bytes(memory.data[-8:]) == spare, "it writes behind its end"
    pace("memory pauses half the time" if stall else "memory never pauses")


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(("how", [{"latency": 100}, {"stall": 0.5}]))
async def rows_come_at_400_megabytes_a_second(dut: Any, how: dict[str, Any]) -> None:
    """From the slots to the last symbol, at 125 MHz: twice what the light needs at most."""
    bench, _ = await begun(dut, **how)
    held = await filled(bench)
    length, count = SPEC.drive.row_capacity, 24
    slots = bench.rng.integers(0, SPEC.store - length, count)
    bench.set(row=length)
    bench.sources["slots"].send(slots)
    start = bench.clock
    await bench.until(lambda: len(bench.sinks["o"].words) == length * count)
    np.testing.assert_array_equal(got(bench), np.concatenate([held[s : s + length] for s in slots]))
    seconds = (bench.sinks["o"].clocks[-1] + 1 - start) / CLOCK_HZ
    cocotb.log.info("%.0f MB/s", 4 * length * count / seconds / 1e6)
    assert 4 * length * count / seconds >= FLOOR
    pace("100 clocks of latency" if "latency" in how else "memory pauses half the time")


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def nothing_follows_a_word_that_cannot_be_read(dut: Any) -> None:
    """The rows before it come, and of its own row what is before it; then a flush lets go."""
    bad: set[int] = set()
    bench, _ = await begun(dut, fails=lambda address: (address - BASE) // 8 in bad)
    held = await filled(bench)
    bad.add(55 // 2)
    bench.set(row=20)
    bench.sources["slots"].send(np.array([0, 41, 20]))
    await bench.tick(300)
    np.testing.assert_array_equal(got(bench), np.concatenate([held[:20], held[41:54]]))
    assert bench.get("unreadable") and bench.get("broken")
    fault("a word that cannot be read")
    await flush(bench, SETTLE)
    bench.sources["slots"].send(np.array([60]))
    await bench.tick(100)
    np.testing.assert_array_equal(got(bench), held[60:80])


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def nothing_is_believed_after_a_word_that_cannot_be_written(dut: Any) -> None:
    """One of many, somewhere in the middle."""
    bench, _ = await begun(dut, refuses=lambda address: (address - BASE) // 8 == 40)
    await filled(bench)
    bench.set(row=20)
    bench.sources["slots"].send(np.array([0]))
    await bench.tick(200)
    assert not len(got(bench)) and bench.get("unreadable")
    fault("a word that cannot be written")


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def what_is_flushed_never_comes(dut: Any) -> None:
    """Rows that are given up at any time, with bursts on their way; the next row comes whole."""
    bench, _ = await begun(dut, latency=40)
    held = await filled(bench)
    bench.set(row=30)
    for _ in range(16):
        bench.sources["slots"].send(bench.rng.integers(0, SPEC.store - 30, 3))
        await bench.tick(int(bench.rng.integers(1, 200)))
        dropped("with a row on its way" if len(got(bench)) % 30 else "between rows")
        await flush(bench, SETTLE)
        one = int(bench.rng.integers(0, SPEC.store - 30))
        bench.sources["slots"].send(np.array([one]))
        await bench.tick(200)
        np.testing.assert_array_equal(got(bench), held[one : one + 30])
        await flush(bench, SETTLE)
