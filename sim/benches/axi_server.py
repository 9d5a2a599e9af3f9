"""Server behind AXI: the board's program carries the self-test, which is equal to the bit."""

from __future__ import annotations

from typing import Any

import cocotb

from shotveil.sim.benches.axi_selftest import loopback, play
from shotveil.sim.cases.axi import NodeBehindAxi

SPEC = loopback("server")


def component() -> NodeBehindAxi:
    """What is simulated."""
    return NodeBehindAxi(SPEC)


@cocotb.test(timeout_time=500, timeout_unit="ms")
@cocotb.parametrize((("ring", "stall"), [(False, 0.3), (True, 0.0)]))
async def selftest_equals_the_model(dut: Any, ring: bool, stall: float) -> None:
    """By either way, while channels pause at random."""
    await play(dut, SPEC, ring=ring, stall=stall, errors=0.0)


@cocotb.test(timeout_time=500, timeout_unit="ms")
async def selftest_equals_the_model_though_memory_fails(dut: Any) -> None:
    """Words come with errors, so packets break and are sent again; each is carried out once."""
    await play(dut, SPEC, ring=False, stall=0.3, errors=1e-3)
