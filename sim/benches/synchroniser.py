"""Synchroniser: frames are found in light, marked to a fraction of a sample, and found again."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.gateware.digitiser.synchroniser import Synchroniser
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.digitiser import synchroniser_cases
from shotveil.sim.cases.drive import stalled
from shotveil.sim.engines.cocotb_bench import CocotbBench

SPEC = DigitiserSpec(modes=64, row_capacity=512)

frame = point("frame", "the first", "the next", "lost", "found after a loss")
fraction = point("fraction of a sample", "first half", "second half")
pace = point("pace", "samples never pause", "samples pause")


def component() -> Synchroniser:
    """What is simulated."""
    return Synchroniser(SPEC)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.35]))
async def equals_the_model(dut: Any, stall: float) -> None:
    """Light that is found, fails, and comes back within a frame."""
    bench = await CocotbBench(dut, component()).begin()
    size = 5001 if not stall else 1000  # above 5,000 the light fails for some frames
    cases = synchroniser_cases(SPEC, size, np.random.default_rng(cocotb.RANDOM_SEED))
    for case in stalled(cases, stall, 1) if stall else cases:
        await bench.check(case)
        marks: Any = case.expected["o"]
        lost = False
        for number, at in enumerate(np.nonzero(marks["mark"])[0]):
            if marks["lost"][at]:
                frame("lost")
            elif lost:
                frame("found after a loss")
            else:
                frame("the next" if number else "the first")
            lost = bool(marks["lost"][at])
            half = marks["fraction"][at] < SPEC.fractions // 2
            fraction("first half" if half else "second half")
    pace("samples pause" if stall else "samples never pause")
