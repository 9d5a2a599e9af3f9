"""Handshakes and delays of plain pipelines."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.primitives.pipeline import delay, flow
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run, Timeout


class Pipe(wiring.Component):
    """A pipeline that does nothing to its samples."""

    def __init__(self, latency):
        self._latency = latency
        signature = stream.Signature(8)
        super().__init__({"i": In(signature), "o": Out(signature)})

    def elaborate(self, platform):
        m = Module()
        enable = flow(m, self.i, self.o, self._latency)
        m.d.comb += self.o.payload.eq(delay(m, self.i.payload, self._latency, enable))
        return m


GIVEN = np.random.default_rng(1).integers(0, 256, 300)


@pytest.mark.parametrize("latency", [1, 2, 5])
def test_a_sample_a_clock_and_none_lost_whoever_pauses(latency):
    bench = AmaranthBench(Pipe(latency))
    for stall in (0.0, 0.4, {"i": 0.8}, {"o": 0.8}):
        (result,) = bench.run(Run({}, {"i": GIVEN}, {"o": 300}, stall=stall))
        np.testing.assert_array_equal(result.outputs["o"], GIVEN)
        if not stall:
            assert result.first["o"] - result.first["i"] == latency
            assert result.last["o"] - result.first["o"] == 299


def test_more_than_was_given_does_not_come():
    with pytest.raises(Timeout):
        AmaranthBench(Pipe(2)).run(Run({}, {"i": GIVEN[:5]}, {"o": 6}, timeout=100))


def test_a_pipeline_has_a_register():
    for latency in (0, -1):
        with pytest.raises(ValueError, match=r"latency = -?\d is outside \[1, ∞\)"):
            flow(Module(), None, None, latency)


class Plain(wiring.Component):
    """A value and the same some clocks ago, without an enable."""

    def __init__(self, clocks):
        self._clocks = clocks
        valid = stream.Signature(8, always_valid=True, always_ready=True)
        super().__init__({"i": In(valid), "o": Out(valid)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.payload.eq(delay(m, self.i.payload, self._clocks))
        return m


@pytest.mark.parametrize("clocks", [1, 3])
def test_a_delay_counts_all_clocks_without_an_enable(clocks):
    bench = AmaranthBench(Plain(clocks), {"o"})
    (result,) = bench.run(Run({}, {"i": GIVEN}, {"o": 300}))
    out = result.outputs["o"]
    (shift,) = [k for k in range(8) if np.array_equal(out[k : k + 200], GIVEN[:200])]
    assert shift == clocks
