"""Accumulators: sums of frames, session and modes, exact, and sent once for each snapshot."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.gateware.digitiser.accumulators import Accumulators
from shotveil.models.digitiser.spec import (
    DARK_RECORD,
    SIGNAL_RECORD,
    VACUUM_RECORD,
    DigitiserSpec,
)
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.digitiser import accumulators_cases
from shotveil.sim.cases.drive import stalled
from shotveil.sim.engines.cocotb_bench import CocotbBench

SPEC = DigitiserSpec(modes=64, row_capacity=512)
QUIET = 6 * SPEC.modes + 40  # clocks after which a wipe is over

record = point("record", "dark", "vacuum", "signal")
symbol = point("symbol", "good", "bad", "skipped")
snapshot = point("snapshot", "at the end of a frame", "while no symbols come")
sums = point("sums", "of each frame", "of session and modes")
pace = point("pace", "streams never pause", "streams pause")


def component() -> Accumulators:
    """What is simulated."""
    return Accumulators(SPEC)


async def begin(dut: Any) -> CocotbBench:
    """A bench whose sums are all zero, whatever was summed before."""
    bench = await CocotbBench(dut, component()).begin()
    bench.set(wipe=1)
    await bench.tick(QUIET)
    bench.set(wipe=0)
    dut.rst.value = 1
    await bench.tick(4)
    dut.rst.value = 0
    await bench.tick(20)
    for sink in bench.sinks.values():
        sink.forget()
    return bench


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.2]))
async def equals_the_model(dut: Any, stall: float) -> None:
    """Values of full scale in all records; the session's sums are read while it goes on."""
    bench = await begin(dut)
    cases = accumulators_cases(SPEC, 200, np.random.default_rng(cocotb.RANDOM_SEED))
    names = {DARK_RECORD: "dark", VACUUM_RECORD: "vacuum", SIGNAL_RECORD: "signal"}
    for case in stalled(cases, stall, 1) if stall else cases:
        await bench.check(case)
        record(names[case.run.settings["record"]])
        given: Any = case.run.inputs["i"]
        bad = (given["over"] | given["lost"] | given["saturated"]) > 0
        for one, skip in zip(bad.tolist(), given["skip"].tolist(), strict=True):
            symbol("skipped" if skip else "bad" if one else "good")
        sums("of each frame")
        if "session" in case.expected:
            snapshot("at the end of a frame")
            sums("of session and modes")
    pace("streams pause" if stall else "streams never pause")


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def a_snapshot_is_sent_once_where_no_symbols_come(dut: Any) -> None:
    """`pending` is high until then, and nothing is sent again."""
    bench = await begin(dut)
    session, modes = bench.sinks["session"], bench.sinks["modes"]
    bench.set(snapshot=1)
    await bench.tick(2)
    assert bench.get("pending") == 1
    await bench.until(lambda: len(session.words) == 16 * SPEC.words)
    await bench.until(lambda: len(modes.words) == 4 * SPEC.modes)
    assert not any(session.words) and not any(modes.words) and bench.get("pending") == 0
    snapshot("while no symbols come")
    await bench.tick(3000)
    assert len(session.words) == 16 * SPEC.words and len(modes.words) == 4 * SPEC.modes
