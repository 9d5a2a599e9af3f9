"""The CORDIC against its model, to the bit: turns and angles mixed, with gaps, latency and pace."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from shotveil.gateware.digitiser.cordic import Cordic
from shotveil.models.digitiser import cordic
from shotveil.models.digitiser.spec import DigitiserSpec
from tests.gateware.digitiser import bit_true

SPEC = DigitiserSpec()


def vectors(count, seed=1):
    """Corners, axes, quarter turns and random vectors; whether an angle is asked for."""
    rng = np.random.default_rng(seed)
    top = SPEC.symbol.highest
    corner = np.array([-top - 1, top, -1, 0, 1])
    x, y = (v.ravel() for v in np.meshgrid(corner, corner))
    angle = np.resize(np.arange(-4, 4) << 13, len(x))
    x = np.concatenate([x, rng.integers(-top - 1, top + 1, count)])
    y = np.concatenate([y, rng.integers(-top - 1, top + 1, count)])
    angle = np.concatenate([angle, rng.integers(-(1 << 15), 1 << 15, count)])
    return x, y, angle, rng.integers(0, 2, len(x))


def play(x, y, angle, vectoring, valid):
    """Outputs, `latency` clocks behind each vector that enters where `valid` is high."""
    dut = Cordic(SPEC)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    out = []

    async def bench(ctx):
        entered, due, clock = 0, [], 0
        while entered < len(x) or due:
            enters = entered < len(x) and bool(valid[clock % len(valid)])
            ctx.set(dut.valid, enters)
            if enters:
                ctx.set(dut.x, int(x[entered]))
                ctx.set(dut.y, int(y[entered]))
                ctx.set(dut.turn, int(angle[entered]))
                ctx.set(dut.vectoring, int(vectoring[entered]))
                due.append(clock + dut.latency)
                entered += 1
            else:  # what nobody gave must not matter
                ctx.set(dut.x, 12345)
                ctx.set(dut.turn, 777)
            if due and due[0] == clock:
                due.pop(0)
                out.append([ctx.get(p) for p in (dut.u, dut.v, dut.saturated, dut.angle)])
            await ctx.tick()
            clock += 1

    simulator.add_testbench(bench)
    simulator.run()
    return np.array(out)


@pytest.mark.parametrize("share", [1.0, 0.35])
def test_each_vector_is_the_models_a_latency_later(share):
    x, y, angle, vectoring = vectors(250)
    valid = np.random.default_rng(2).random(997) < share
    u, v, saturated, found = play(x, y, angle, vectoring, valid).T
    due_u, due_v, due_saturated = cordic.rotate(SPEC, x, y, angle)
    turns = vectoring == 0
    np.testing.assert_array_equal(u[turns], due_u[turns])
    np.testing.assert_array_equal(v[turns], due_v[turns])
    np.testing.assert_array_equal(saturated[turns], due_saturated[turns])
    assert 0 < due_saturated[turns].sum() < turns.sum()
    # The angle of nothing has no meaning.
    angles = ~turns & ((x != 0) | (y != 0))
    np.testing.assert_array_equal(found[angles], cordic.arctangent(SPEC, x, y)[angles])


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("phase", Cordic, monkeypatch)
