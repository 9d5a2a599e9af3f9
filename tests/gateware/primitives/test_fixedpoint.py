"""The Amaranth side of fixed point against the NumPy side, on every value."""

import itertools

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.sim import Simulator

from shotveil.gateware.primitives import fixedpoint as hdl
from shotveil.models.common import fixedpoint as np_side
from shotveil.models.common.fixedpoint import Overflow, Q, Rounding


def evaluate(source: Q, raws: np.ndarray, expressions: dict) -> dict:
    """Values of named functions of one input signal, for every raw value."""
    m = Module()
    raw = Signal(hdl.shape(source))
    outputs = {}
    for name, expression in expressions.items():
        value = expression(raw)
        outputs[name] = Signal(value.shape())
        m.d.comb += outputs[name].eq(value)
    found = {name: [] for name in expressions}

    async def bench(ctx):
        for value in raws:
            ctx.set(raw, int(value))
            await ctx.delay(1e-9)
            for name, signal in outputs.items():
                found[name].append(ctx.get(signal))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return {name: np.array(values) for name, values in found.items()}


TARGETS = [
    Q(4, 2),
    Q(1, 3),
    Q(2, 5),
    Q(3, 0),
    Q(-1, 5),
    Q(6, 4),
    Q(2, 2, signed=False),
    Q(8, 3, signed=False),
]
WAYS = list(itertools.product(TARGETS, Rounding, Overflow))


@pytest.mark.parametrize(
    "source", [Q(4, 4), Q(1, 6), Q(3, 4, signed=False), Q(1, 0), Q(1, 0, signed=False)]
)
def test_every_value_of_small_formats(source):
    raws = np.arange(source.lowest, source.highest + 1)
    expressions = {w: lambda raw, w=w: hdl.rescale(raw, source, *w) for w in WAYS}
    expressions |= {t: lambda raw, t=t: hdl.overflows(raw, t) for t in TARGETS}
    for key, values in evaluate(source, raws, expressions).items():
        if isinstance(key, Q):
            np.testing.assert_array_equal(values, np_side.overflows(raws, key), str(key))
        else:
            np.testing.assert_array_equal(values, np_side.rescale(raws, source, *key), str(key))


def test_random_values_of_wide_formats():
    rng = np.random.default_rng(20)
    source = Q(5, 35)
    edges = [source.lowest, source.lowest + 1, -1, 0, 1, source.highest]
    raws = np.concatenate([edges, rng.integers(source.lowest, source.highest, 500)])
    ties = (raws >> 22 << 22) + (1 << 21)  # exactly half of Q?.14's unit
    raws = np.concatenate([raws, ties])
    ways = list(itertools.product([Q(2, 16), Q(6, 13), Q(1, 14)], Rounding, Overflow))
    expressions = {w: lambda raw, w=w: hdl.rescale(raw, source, *w) for w in ways}
    for way, values in evaluate(source, raws, expressions).items():
        np.testing.assert_array_equal(values, np_side.rescale(raws, source, *way), str(way))


def test_shape_of_the_result_is_the_format():
    for to, rounding, overflow in WAYS:
        result = hdl.rescale(Const(5, 9), Q(5, 4, signed=False), to, rounding, overflow)
        assert result.shape() == hdl.shape(to)
