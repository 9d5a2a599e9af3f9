"""Client behind AXI: the board's program carries the self-test, which is equal to the bit."""

from __future__ import annotations

from typing import Any

import cocotb

from shotveil.sim.benches.axi_selftest import loopback, play
from shotveil.sim.benches.coverage import point
from shotveil.sim.cases.axi import NodeBehindAxi

SPEC = loopback("client")

way = point("way of bytes to the node", "ring", "memory")
pace = point("pace", "nobody pauses", "all pause")
fault = point("memory", "never fails", "fails, and packets are sent again")


def component() -> NodeBehindAxi:
    """What is simulated."""
    return NodeBehindAxi(SPEC)


@cocotb.test(timeout_time=500, timeout_unit="ms")
@cocotb.parametrize((("ring", "stall"), [(False, 0.3), (True, 0.0)]))
async def selftest_equals_the_model(dut: Any, ring: bool, stall: float) -> None:
    """By either way, while channels pause at random."""
    await play(dut, SPEC, ring=ring, stall=stall, errors=0.0)
    way("ring" if ring else "memory")
    pace("all pause" if stall else "nobody pauses")
    fault("never fails")


@cocotb.test(timeout_time=500, timeout_unit="ms")
async def selftest_equals_the_model_though_memory_fails(dut: Any) -> None:
    """Words come with errors, so packets break and are sent again; each is carried out once."""
    link = await play(dut, SPEC, ring=False, stall=0.3, errors=1e-3)
    assert link.traffic.sent > link.traffic.requests
    fault("fails, and packets are sent again")
