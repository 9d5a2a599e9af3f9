"""Sequencer: batches clock by clock as the model says, halted by every cause."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.models.node.sequencer import FAULTS, SequencerModel, SequencerState
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.drive import stalled
from shotveil.sim.cases.node import BLOCKS, DRAIN, Clocked, clocked, frames_of
from shotveil.sim.engines.cocotb_bench import CocotbBench
from shotveil.sim.engines.equality import Case
from shotveil.sim.engines.run import Run

state = point("state", *(state.name.lower() for state in SequencerState))
halt = point("cause of a halt", *FAULTS)
grant = point("rows of a batch", "none", "some", "more than can be sent")
pace = point("pace", "clocks follow each other", "the clock pauses")


def component() -> Clocked:
    """What is simulated: the sequencer, with its plain ports as streams."""
    return clocked("sequencer")


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.35]))
async def equals_the_model_in_every_clock(dut: Any, stall: float) -> None:
    """Batches that end by themselves, and batches that are halted."""
    bench = await CocotbBench(dut, component()).begin()
    cases = BLOCKS["sequencer"].cases(300, np.random.default_rng(cocotb.RANDOM_SEED))
    for case in stalled(cases, stall, 1) if stall else cases:
        await bench.check(case)
        due: Any = case.expected["o"]
        for one in np.unique(due["state"]).tolist():
            state(SequencerState(one).name.lower())
        seen = int(np.bitwise_or.reduce(due["fault"]))
        for bit, name in enumerate(FAULTS):
            if seen >> bit & 1:
                halt(name)
        rows = case.run.settings["grant"]
        grant("none" if rows == 0 else "some" if rows < 100 else "more than can be sent")
    pace("the clock pauses" if stall else "clocks follow each other")


LINES = {"link": "link_fault"}  # where the input that makes a fault has another name


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(("cause", list(FAULTS)))
async def each_cause_halts_a_batch(dut: Any, cause: str) -> None:
    """The frame on its way is completed, `left` keeps the rows, and `fault` names the cause."""
    bench = await CocotbBench(dut, component()).begin()
    n, at = 400, 90
    names = ("stop", "clear", "link_fault", "tripped", "starved", "start", "arm", "alive", "away")
    i = {name: np.zeros(n, np.int64) for name in (*names, "started", "busy")}
    i["arm"][2:], i["start"][6], i["alive"][:] = 1, 1, 1
    setup = {"grant": 50, "lead_in": 1, "watchdog": 1}
    if cause == "watchdog":  # no time at all without a packet
        i["alive"][at:] = 0
        setup["watchdog"] = 0
    else:
        i[LINES.get(cause, cause)][at] = 1
    model = SequencerModel(DRAIN)
    outputs = frames_of(model, i, setup, bench.rng)
    shown = ("run", "blank", "arm_drive", "returning", "flush", "state", "fault", "left")
    due = {name: np.array([getattr(out, name) for out in outputs]) for name in shown}
    assert due["fault"][-1] == 1 << FAULTS.index(cause) and due["left"][-1] > 0
    run = Run(setup, {"i": i}, {"o": n}, linger=0)
    await bench.check(Case(run, {"o": due}, {"rows": model.rows, "frames": model.frames}))
    halt(cause)
