"""Row store: rows of every load and every order, refused slots, and nothing of what was dropped."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.node.row_store import SLOTS
from shotveil.sim.benches.coverage import point
from shotveil.sim.benches.stored_rows import flush, got, loaded
from shotveil.sim.cases.drive import stalled
from shotveil.sim.cases.node import (
    KEEPING,
    RowsInBlockRam,
    pairs_of,
    row_store_cases,
)
from shotveil.sim.engines.cocotb_bench import CocotbBench
from shotveil.sim.engines.equality import Case

BANK = KEEPING.drive.row_capacity
SETTLE = 4  # clocks after a flush
FULL = 24  # clocks until a row's first symbol, with the way to the memory

load = point("load", "from the start", "behind others", "up to the last symbol", "stopped short")
row = point("row", "one symbol", "within a bank", "across banks", "the longest")
slot = point("slot", "once", "again", "refused", "more than wait at the node")
pace = point("pace", "streams never pause", "streams pause")
end = point("what ends it", "flush between rows", "flush with a row on its way", "another host",
            "a word that cannot be read")  # fmt: skip


def component() -> RowsInBlockRam:
    """What is simulated: the store with a memory of three banks."""
    return RowsInBlockRam()


def note(case: Case) -> None:
    """Sample the coverage of a case."""
    settings, status, inputs = case.run.settings, case.status, case.run.inputs
    if settings["rewind"]:
        load("from the start" if settings["place"] == 0 else "behind others")
    if status["loaded"] == KEEPING.store:
        load("up to the last symbol")
    if settings["forget"]:
        end("another host")
    slots = np.asarray(inputs.get("slots", []))
    for at in slots[: case.run.due["o"] // settings["row"]].tolist():
        across = at // BANK != (at + settings["row"] - 1) // BANK
        row("across banks" if across else "within a bank")
        if settings["row"] in (1, BANK):
            row("one symbol" if settings["row"] == 1 else "the longest")
    if len(slots):
        slot("again" if len(np.unique(slots)) < len(slots) else "once")
        if status["refused"]:
            slot("refused")


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.35]))
async def equals_the_model_for_every_load_and_order(dut: Any, stall: float) -> None:
    """Loads, rows and refusals at random, as the model says how they end."""
    bench = await CocotbBench(dut, component()).begin()
    cases = row_store_cases(2000, np.random.default_rng(cocotb.RANDOM_SEED))
    for case in stalled(cases, stall, 1) if stall else cases:
        await bench.check(case)
        note(case)
    pace("streams pause" if stall else "streams never pause")


async def begun(dut: Any, count: int) -> tuple[CocotbBench, IntArray]:
    """A bench whose store holds `count` symbols, and what they are, packed."""
    bench = await CocotbBench(dut, component()).begin()
    return bench, await loaded(bench, KEEPING, count)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def rows_follow_each_other_without_a_gap(dut: Any) -> None:
    """A symbol in every clock, from the first to the last of rows that lie anywhere."""
    bench, held = await begun(dut, KEEPING.store)
    bench.set(row=50)
    slots = [0, 100, 140, 3, 60, 20]
    bench.sources["slots"].send(np.array(slots))
    begin = bench.clock
    await bench.tick(50 * len(slots) + 2 * FULL)
    np.testing.assert_array_equal(got(bench), np.concatenate([held[s : s + 50] for s in slots]))
    clocks = bench.sinks["o"].clocks
    assert clocks[0] - begin <= FULL and set(np.diff(clocks)) == {1}


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_load_that_stops_short_leaves_no_row_that_is_half_old(dut: Any) -> None:
    """What was there before is gone from where the load began, though it is still in the memory."""
    bench, held = await begun(dut, 120)
    bench.set(row=40, rewind=1, place=40)
    await bench.tick(2)
    bench.set(rewind=0)
    bench.sources["i"].send(pairs_of(list(range(30))))  # of 40
    await bench.tick(40)
    load("stopped short")
    assert bench.get("loaded") == 70
    bench.sources["slots"].send(np.array([0, 40]))
    await bench.tick(100)
    np.testing.assert_array_equal(got(bench), held[:40])
    assert bench.get("refused") and bench.get("broken") and bench.get("refused_slot") == 40


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def what_is_flushed_never_comes(dut: Any) -> None:
    """Rows that are given up at any time; the next row comes whole."""
    bench, held = await begun(dut, KEEPING.store)
    bench.set(row=30)
    for _ in range(120):
        slots = bench.rng.integers(0, KEEPING.store - 30, 3)
        bench.sinks["o"].stall = float(bench.rng.choice([0.0, 0.6]))
        bench.sources["slots"].send(slots)
        await bench.tick(int(bench.rng.integers(1, 160)))
        due = np.concatenate([held[s : s + 30] for s in slots])
        came = got(bench)
        np.testing.assert_array_equal(came, due[: len(came)])
        end("flush with a row on its way" if len(came) % 30 else "flush between rows")
        await flush(bench, SETTLE)
        assert bench.get("waiting") == 0
        one = int(bench.rng.integers(0, KEEPING.store - 30))
        bench.sinks["o"].stall = 0.0
        bench.sources["slots"].send(np.array([one]))
        await bench.tick(30 + FULL)
        np.testing.assert_array_equal(got(bench), held[one : one + 30])
        await flush(bench, SETTLE)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def nothing_follows_a_word_that_cannot_be_read(dut: Any) -> None:
    """Not before a flush: the row would be one of which a symbol is missing."""
    bench, held = await begun(dut, 100)
    bench.set(row=20)
    bench.sources["slots"].send(np.array([0, 20, 40]))
    while len(bench.sinks["o"].words) < 33:
        await bench.tick()
    bench.set(spoil=1)
    await bench.tick()
    bench.set(spoil=0)
    await bench.tick(100)
    end("a word that cannot be read")
    np.testing.assert_array_equal(got(bench), held[:33])
    assert bench.get("unreadable") and bench.get("broken") and not bench.get("refused")
    await flush(bench, SETTLE)
    assert bench.get("unreadable") and not bench.get("broken")
    bench.set(clear=1)
    await bench.tick()
    bench.set(clear=0)
    bench.sources["slots"].send(np.array([60]))
    await bench.tick(20 + FULL)
    np.testing.assert_array_equal(got(bench), held[60:80])
    assert not bench.get("unreadable")


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def no_slot_is_lost_where_more_come_than_wait(dut: Any) -> None:
    """The store stops taking them, and goes on once rows leave; nothing is forgotten meanwhile."""
    bench, held = await begun(dut, 100)
    bench.set(row=1)
    bench.sinks["o"].stall = 1.0
    slots = bench.rng.integers(0, 100, SLOTS + 200)
    bench.sources["slots"].send(slots)
    await bench.tick(SLOTS + 400)
    assert bench.get("waiting") == SLOTS and not bench.sources["slots"].done
    slot("more than wait at the node")
    bench.set(rewind=1, place=0)
    await bench.tick(4)
    bench.set(rewind=0)
    bench.sinks["o"].stall = 0.0
    await bench.tick(10 * len(slots))
    np.testing.assert_array_equal(got(bench), held[slots])
    assert bench.get("loaded") == 100
