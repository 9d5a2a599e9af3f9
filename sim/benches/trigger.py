"""Trigger: each edge lets one frame start after its delay, and one edge may wait."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.models.node import trigger
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.drive import stalled
from shotveil.sim.cases.node import BLOCKS, Clocked, clocked
from shotveil.sim.engines.cocotb_bench import CocotbBench
from shotveil.sim.engines.equality import Case
from shotveil.sim.engines.run import Run

mode = point("mode", "frames wait for edges", "no trigger")
delay = point("delay", "none", "shorter than the pause between edges", "longer")
edges = point("edges while one waits", "none", "one", "more")
pace = point("pace", "clocks follow each other", "the clock pauses")


def component() -> Clocked:
    """What is simulated: the trigger, with its plain ports as streams."""
    return clocked("trigger")


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.35]))
async def equals_the_model_in_every_clock(dut: Any, stall: float) -> None:
    """Edges that start a frame, edges that start none, and more edges than can wait."""
    bench = await CocotbBench(dut, component()).begin()
    cases = BLOCKS["trigger"].cases(100, np.random.default_rng(cocotb.RANDOM_SEED))
    for case in stalled(cases, stall, 1) if stall else cases:
        await bench.check(case)
        mode("frames wait for edges" if case.run.settings["triggered"] else "no trigger")
        wait = case.run.settings["delay"]
        delay("none" if wait == 0 else "longer" if wait > 10 else
              "shorter than the pause between edges")  # fmt: skip
    pace("the clock pauses" if stall else "clocks follow each other")


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(("more", [0, 1, 3]))
async def one_edge_waits_while_a_frame_is_due(dut: Any, more: int) -> None:
    """Edges that come before the frame of the one before has started are kept as one."""
    bench = await CocotbBench(dut, component()).begin()
    n = 200
    level, started = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for number in range(more + 1):
        level[20 + 12 * number : 24 + 12 * number] = 1
    started[100] = started[140] = 1
    due = trigger.model(level, started, 1, 2)
    run = Run(
        {"triggered": 1, "delay": 2},
        {"i": {"trigger": level, "started": started}},
        {"o": n},
        linger=0,
    )
    await bench.check(Case(run, {"o": {"hold": due}}))
    edges("none" if more == 0 else "one" if more == 1 else "more")
