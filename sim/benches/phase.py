"""Phase: pilots are measured, symbols are turned back, and bad pilots change nothing."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.gateware.digitiser.phase import Phase
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.digitiser import phase_cases
from shotveil.sim.cases.drive import stalled
from shotveil.sim.engines.cocotb_bench import CocotbBench

SPEC = DigitiserSpec(modes=64, row_capacity=512)

angle = point("phase of a pilot", *(f"quadrant {k}" for k in range(4)))
pilot = point("pilot", "good", "bad")
symbol = point("symbol", "in range", "saturated")
pace = point("pace", "streams never pause", "streams pause")


def component() -> Phase:
    """What is simulated."""
    return Phase(SPEC)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.35]))
async def equals_the_model(dut: Any, stall: float) -> None:
    """Pilots at drifting phases, values of full scale, a record that holds the phase."""
    bench = await CocotbBench(dut, component()).begin()
    cases = phase_cases(SPEC, 120, np.random.default_rng(cocotb.RANDOM_SEED))
    for case in stalled(cases, stall, 1) if stall else cases:
        await bench.check(case)
        phases: Any = case.expected["phases"]
        for one, bad in zip(phases["angle"].tolist(), phases["bad"].tolist(), strict=True):
            angle(f"quadrant {(one >> (SPEC.phase_bits - 2)) & 3}")
            pilot("bad" if bad else "good")
        due: Any = case.expected["o"]
        for one in due["saturated"].tolist():
            symbol("saturated" if one else "in range")
    pace("streams pause" if stall else "streams never pause")
