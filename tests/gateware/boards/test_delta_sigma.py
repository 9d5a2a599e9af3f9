"""The slow output's average is its code, exactly and wherever one looks."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from shotveil.gateware.boards.delta_sigma import DeltaSigma
from shotveil.models.common.checks import RangeError

WIDTH = 5


@pytest.mark.parametrize("code", [0, 1, 7, 16, 31])
def test_average(code):
    dut = DeltaSigma(WIDTH)
    seen = []

    async def bench(ctx):
        ctx.set(dut.code, code)
        await ctx.tick()
        for _ in range(4 << WIDTH):
            await ctx.tick()
            seen.append(ctx.get(dut.o))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    sums = np.convolve(seen, np.ones(1 << WIDTH), mode="valid")
    assert (sums == code).all()
    # Spread evenly: a step of the running sum is never away from its straight line by one.
    line = np.cumsum(seen) - code / (1 << WIDTH) * np.arange(1, len(seen) + 1)
    assert np.ptp(line) < 1


def test_width():
    with pytest.raises(RangeError, match="width"):
        DeltaSigma(1)
