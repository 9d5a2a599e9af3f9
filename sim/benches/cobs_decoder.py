"""COBS decoder: frames of every length come out whole, and broken ones are told."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from shotveil.gateware.host_link.cobs import Decoder
from shotveil.gateware.host_link.payloads import Fault
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.host_link import cobs
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.drive import stalled
from shotveil.sim.cases.host_link import BLOCKS
from shotveil.sim.engines.cocotb_bench import CocotbBench

length = point("length of a frame", "none", "below a block", "a block", "beyond a block")
frame = point("frame", "whole", "broken")
BROKEN = int(Fault.FRAME.value)  # type: ignore[attr-defined]

pace = point("pace", "streams never pause", "streams pause")


def component() -> Decoder:
    """What is simulated."""
    return Decoder()


def note(due: dict[str, IntArray]) -> None:
    """Sample the coverage of the frames that must come out."""
    (ends,) = np.nonzero(due["end"])
    for size in np.diff(ends, prepend=-1) - 1:
        full = "a block" if size <= cobs.LONGEST else "beyond a block"
        length("none" if size == 0 else "below a block" if size < cobs.LONGEST - 1 else full)
    for fault in due["fault"][ends].tolist():
        frame("broken" if fault == BROKEN else "whole")


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(("stall", [0.0, 0.35]))
async def equals_the_model(dut: Any, stall: float) -> None:
    """Lengths around those of blocks, all zeros, no zeros, and garbage."""
    bench = await CocotbBench(dut, component()).begin()
    cases = BLOCKS["decoder"].cases(20, np.random.default_rng(cocotb.RANDOM_SEED))
    for case in stalled(cases, stall, 1) if stall else cases:
        await bench.check(case)
        note(dict(case.expected["o"]))
    pace("streams pause" if stall else "streams never pause")
