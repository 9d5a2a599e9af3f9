"""Framing of the drive: whole frames of every layout, held, blank and flushed as asked."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.gateware.drive.framing import LENGTHS, DriveFraming
from shotveil.models.drive import framing
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.drive import both, framing_cases, stalled
from shotveil.sim.engines.cocotb_bench import CocotbBench

SPEC = DriveSpec(row_capacity=512)
LAYOUT = FrameLayout(preamble=4, row=7, pilots=1, pilot_spacing=50, vacuum=2, guard=SPEC.span)

pilots = point("pilots in a group", "none", "one", "more")
groups = point("groups of pilots", "before and after the row", "inside the row too")
row = point("row", "one symbol", "more")
pace = point("pace", "streams never pause", "streams pause")
order = point("order", "held", "let go", "blank", "flushed before a row is whole", "run low")


def component() -> DriveFraming:
    """What is simulated."""
    return DriveFraming(SPEC)


def note(layout: FrameLayout) -> None:
    """Sample the coverage of a layout."""
    pilots({0: "none", 1: "one"}.get(layout.pilots, "more"))
    inside = layout.row > layout.pilot_spacing
    groups("inside the row too" if inside else "before and after the row")
    row("one symbol" if layout.row == 1 else "more")


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.35]))
async def equals_the_model_for_every_layout(dut: Any, stall: float) -> None:
    """Rows of corners, random symbols and weights, in frames that together take every path."""
    bench = await CocotbBench(dut, component(), {"o"}, "first").begin()
    cases = framing_cases(SPEC, 40, np.random.default_rng(cocotb.RANDOM_SEED))
    for case in stalled(cases, stall, 1) if stall else cases:
        note(FrameLayout(**{name: case.run.settings[name] for name in LENGTHS}))
        await bench.check(case)
    pace("streams pause" if stall else "streams never pause")


async def begin(dut: Any) -> CocotbBench:
    """A bench with the small layout set."""
    bench = await CocotbBench(dut, component(), {"o"}).begin()
    bench.set(**{name: getattr(LAYOUT, name) for name in LENGTHS})
    return bench


def starts(bench: CocotbBench) -> list[int]:
    """Where frames start in what came out."""
    return list(np.nonzero(bench.sinks["o"].samples()["first"])[0])


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(("kept", ["hold", "run"]))
async def no_frame_starts_unless_it_may(dut: Any, kept: str) -> None:
    """Not while `hold` is high, nor while `run` is low; then the row leaves whole."""
    bench = await begin(dut)
    bench.set(run=int(kept == "hold"), hold=int(kept == "hold"))
    rows = bench.rng.integers(SPEC.symbol.lowest, SPEC.symbol.highest + 1, (1, 2, LAYOUT.row))
    bench.sources["i"].send(both(rows))
    await bench.tick(100)
    assert not starts(bench) and bench.get("buffered") == LAYOUT.row
    order("held" if kept == "hold" else "run low")
    bench.set(run=1, hold=0)
    bench.sinks["o"].words.clear()
    await bench.tick(100)
    order("let go")
    (at,) = starts(bench)
    got, due = bench.sinks["o"].samples(), framing.model(SPEC, LAYOUT, rows)
    for arm, line in both(due).items():
        np.testing.assert_array_equal(got[arm][at : at + LAYOUT.length], line)
    assert bench.get("buffered") == 0 and not bench.get("busy")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_blank_frame_takes_no_row(dut: Any) -> None:
    """It has the preamble of any other frame and zeros for a row, and the row that waits stays."""
    bench = await begin(dut)
    rows = bench.rng.integers(SPEC.symbol.lowest, SPEC.symbol.highest + 1, (1, 2, LAYOUT.row))
    bench.sources["i"].send(both(rows))
    await bench.tick(20)
    bench.set(run=1, blank=1)
    while not bench.get("started"):
        await bench.tick()
    await bench.tick(2)
    bench.set(blank=0)
    await bench.tick(2 * LAYOUT.length + 20)
    order("blank")
    first, second = starts(bench)
    got = bench.sinks["o"].samples()
    due = framing.model(SPEC, LAYOUT, np.concatenate([0 * rows, rows]))
    for arm, line in both(due).items():
        seen = np.concatenate([got[arm][at : at + LAYOUT.length] for at in (first, second)])
        np.testing.assert_array_equal(seen, line)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_flush_leaves_nothing_of_a_row(dut: Any) -> None:
    """What was buffered is gone, and the next row begins a frame of its own."""
    bench = await begin(dut)
    bench.set(run=1)
    rows = bench.rng.integers(SPEC.symbol.lowest, SPEC.symbol.highest + 1, (2, 2, LAYOUT.row))
    cut = {arm: line[: LAYOUT.row - 2] for arm, line in both(rows[:1]).items()}
    bench.sources["i"].send(cut)
    await bench.tick(30)
    assert bench.get("buffered") == LAYOUT.row - 2
    bench.set(flush=1)
    await bench.tick(2)
    bench.set(flush=0)
    await bench.tick(2)
    assert bench.get("buffered") == 0
    order("flushed before a row is whole")
    bench.sources["i"].send(both(rows[1:]))
    await bench.tick(100)
    (at,) = starts(bench)
    got = bench.sinks["o"].samples()
    for arm, line in both(framing.model(SPEC, LAYOUT, rows[1:])).items():
        np.testing.assert_array_equal(got[arm][at : at + LAYOUT.length], line)
