"""The delay line gives back what it took, whatever it held before a reset."""

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator

from shotveil.gateware.digitiser.delay_line import DelayLine
from shotveil.models.common.checks import RangeError
from tests.gateware.digitiser import bit_true


def play(steps, values, enable, reset_at=None):
    """Output before each clock."""
    dut, reset = DelayLine(12, steps), Signal()
    simulator = Simulator(ResetInserter(reset)(dut))
    simulator.add_clock(1e-6)
    out = []

    async def bench(ctx):
        for clock, (value, on) in enumerate(zip(values, enable, strict=True)):
            ctx.set(dut.i, int(value))
            ctx.set(dut.enable, int(on))
            ctx.set(reset, clock == reset_at)
            out.append(ctx.get(dut.o))
            await ctx.tick()

    simulator.add_testbench(bench)
    simulator.run()
    return out


@pytest.mark.parametrize("steps", [4, 5, 16, 37])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_it_is_as_late_as_it_should_be(steps, share):
    rng = np.random.default_rng(1)
    values, enable = rng.integers(1, 4096, 200), rng.random(200) < share
    taken, due = [], []
    for value, on in zip(values.tolist(), enable.tolist(), strict=True):
        due.append(taken[-steps] if len(taken) >= steps else 0)
        if on:
            taken.append(value)
    assert play(steps, values, enable) == due


def test_what_it_held_before_a_reset_is_not_let_out():
    values = np.arange(1, 121)
    out = play(10, values, np.ones(120, bool), reset_at=50)
    assert out[:51] == [0] * 10 + list(range(1, 42))
    assert out[51:61] == [0] * 10
    assert out[61:] == values[51:110].tolist()


def test_lengths_have_ends():
    DelayLine(3, 4096)
    for steps in (3, 4097, 5.5):
        with pytest.raises(RangeError, match="steps = "):
            DelayLine(3, steps)


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("synchroniser", DelayLine, monkeypatch)
