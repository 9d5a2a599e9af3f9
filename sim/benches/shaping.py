"""Shaping: pulses as the model sums them, saturation, and tables of taps that are loaded anew."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.gateware.drive.shaping import Shaping
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.drive import shaping
from shotveil.models.drive.spec import DriveSpec
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.drive import both, pairs, shaping_cases, stalled
from shotveil.sim.engines.cocotb_bench import CocotbBench
from shotveil.sim.engines.equality import Case
from shotveil.sim.engines.run import Run

SPEC = DriveSpec(row_capacity=512)

sample = point("sample", "lowest", "negative", "zero", "positive", "highest")
fault = point("fault of a sample", "none", "from its symbol")
load = point("load of taps", "whole", "stopped short, rewound, whole")
pace = point("pace", "streams never pause", "streams pause")


def component() -> Shaping:
    """What is simulated."""
    return Shaping(SPEC)


def note(expected: dict[str, IntArray]) -> None:
    """Sample the coverage of what must come out."""
    ends = {SPEC.sample.lowest: "lowest", 0: "zero", SPEC.sample.highest: "highest"}
    for value in np.concatenate([expected["i"], expected["q"]]).tolist():
        sample(ends.get(value, "positive" if value > 0 else "negative"))
    for value in expected["fault"].tolist():
        fault("from its symbol" if value else "none")


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.35]))
async def equals_the_model(dut: Any, stall: float) -> None:
    """The pulse, a hold, and taps so large that samples saturate."""
    bench = await CocotbBench(dut, component()).begin()
    bench.sources["coefficients"].send(SPEC.pulse())  # a test before may have loaded others
    await bench.until(lambda: bench.sources["coefficients"].done)
    cases = shaping_cases(SPEC, 40, np.random.default_rng(cocotb.RANDOM_SEED))
    for case in stalled(cases, stall, 1) if stall else cases:
        await bench.check(case)
        if case.expected:
            note(dict(case.expected["o"]))
        else:
            load("whole")
    pace("streams pause" if stall else "streams never pause")


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(("taken", [1, 10, SPEC.taps - 1]))
async def a_load_that_stopped_short_is_told_and_undone(dut: Any, taken: int) -> None:
    """`partial` is high until a load is whole; after `rewind` it lands where it belongs."""
    bench = await CocotbBench(dut, component()).begin()
    taps = bench.rng.integers(-2000, 2000, SPEC.taps)
    source = bench.sources["coefficients"]
    for wanted, rewinds in ((taps[:taken], True), (taps, False)):
        source.send(wanted)
        await bench.until(lambda: source.done)
        await bench.tick(2)
        assert bench.get("partial") == int(rewinds)
        bench.set(rewind=1)
        await bench.tick()
        bench.set(rewind=0)
        await bench.tick()
        assert bench.get("partial") == int(rewinds), "a rewind makes no table whole"
    load("stopped short, rewound, whole")
    symbols = pairs(SPEC.scaled, 10, bench.rng)
    symbols[:, -SPEC.span :] = 0
    quiet = np.zeros(symbols.shape[1], np.int64)
    out, limited = shaping.model(SPEC, taps, symbols, quiet > 0)
    given = {"i": {**both(symbols), "fault": quiet, "first": quiet}}
    due = {
        **both(out),
        "fault": limited.astype(np.int64),
        "first": np.zeros(out.shape[-1], np.int64),
    }
    flushed = np.zeros((2, SPEC.span), np.int64)  # what a test before left in the delay line
    still = {name: np.zeros(SPEC.span, np.int64) for name in ("fault", "first")}
    pushed = SPEC.span * SPEC.samples_per_symbol
    await bench.play(Run({}, {"i": {**both(flushed), **still}}, {"o": pushed}))
    await bench.check(Case(Run({}, given, {"o": out.shape[-1]}), {"o": due}))
