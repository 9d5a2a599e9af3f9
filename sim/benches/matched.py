"""Matched filter: sums at every fraction of a sample, and tables of taps that are loaded anew."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.gateware.digitiser.matched import MatchedFilter
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.digitiser import matched_cases
from shotveil.sim.cases.drive import stalled
from shotveil.sim.engines.cocotb_bench import CocotbBench

SPEC = DigitiserSpec(modes=64, row_capacity=512)

quarter = point("fraction of a sample", *(f"quarter {k}" for k in range(4)))
mark = point("mark", "a frame begins", "a frame begins that was lost", "none")
over = point("overrange", "none", "within the pulse")
value = point("sum", "negative", "positive")
load = point("load of taps", "whole", "stopped short, rewound, whole")


def component() -> MatchedFilter:
    """What is simulated."""
    return MatchedFilter(SPEC)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(("taken", [1, 700]))
async def a_load_that_stopped_short_is_told(dut: Any, taken: int) -> None:
    """`partial` stays high through a reset and a `rewind`, until a load is whole."""
    bench = await CocotbBench(dut, component()).begin()
    source = bench.sources["coefficients"]
    source.send(bench.rng.integers(-100, 100, taken))
    await bench.until(lambda: source.done)
    await bench.tick()
    assert bench.get("partial") == 1
    await bench.begin()
    assert bench.get("partial") == 1
    bench.set(rewind=1)
    await bench.tick()
    bench.set(rewind=0)
    await bench.tick()
    assert bench.get("partial") == 1, "a rewind makes no table whole"
    load("stopped short, rewound, whole")


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def equals_the_model(dut: Any) -> None:
    """Fractions that change, taps and samples of full scale, with pauses.

    It is the only test that sends samples: they move through the filter, which a reset leaves as it
    is. The taps go where they belong although a load before them stopped short.
    """
    bench = await CocotbBench(dut, component()).begin()
    bench.sources["coefficients"].send(bench.rng.integers(-100, 100, 1000))
    await bench.until(lambda: bench.sources["coefficients"].done)
    bench.set(rewind=1)
    await bench.tick()
    bench.set(rewind=0)
    cases = matched_cases(SPEC, 250, np.random.default_rng(cocotb.RANDOM_SEED))
    for case in stalled(cases, 0.2, 1):
        await bench.check(case)
        if not case.expected:
            assert bench.get("partial") == 0
            load("whole")
            continue
        given: Any = case.run.inputs["i"]
        due: Any = case.expected["o"]
        for one in given["fraction"].tolist():
            quarter(f"quarter {4 * one // SPEC.fractions}")
        for begins, lost in zip(due["mark"].tolist(), due["lost"].tolist(), strict=True):
            begun = "a frame begins that was lost" if lost else "a frame begins"
            mark(begun if begins else "none")
        for one in due["over"].tolist():
            over("within the pulse" if one else "none")
        for one in due["x"].tolist():
            value("negative" if one < 0 else "positive")
