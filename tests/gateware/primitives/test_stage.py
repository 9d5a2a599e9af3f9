"""A stage parts handshakes: it holds one sample, and takes the next when that has gone."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from shotveil.gateware.primitives.stage import Stage, read
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run

GIVEN = np.random.default_rng(1).integers(0, 1 << 12, 200)


def play(component, stall=0.0):
    (result,) = AmaranthBench(component).run(Run({}, {"i": GIVEN}, {"o": 200}, stall=stall))
    np.testing.assert_array_equal(result.outputs["o"], GIVEN)
    return result


@pytest.mark.parametrize("full_rate", [False, True])
@pytest.mark.parametrize("stall", [0.4, {"i": 0.8}, {"o": 0.8}])
def test_no_sample_is_lost_or_repeated_whoever_pauses(stall, full_rate):
    play(Stage(12, full_rate), stall)


def test_a_sample_every_other_clock():
    result = play(Stage(12))
    assert result.first["o"] - result.first["i"] == 1
    assert result.last["o"] - result.first["o"] == 2 * 199


def test_a_sample_every_clock_at_full_rate():
    result = play(Stage(12, full_rate=True))
    assert result.first["o"] - result.first["i"] == 1
    assert result.last["o"] - result.first["o"] == 199


def test_an_empty_design_fails(monkeypatch):
    monkeypatch.setattr(Stage, "elaborate", lambda self, platform: Module())
    with pytest.raises(AssertionError):
        play(Stage(12))


class Queue(wiring.Component):
    """A FIFO that a stage reads."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(12)), "o": Out(stream.Signature(12))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=12, depth=8)
        m.submodules.stage = stage = Stage(12)
        m.d.comb += [
            fifo.w_data.eq(self.i.payload),
            fifo.w_en.eq(self.i.valid),
            self.i.ready.eq(fifo.w_rdy),
            self.o.payload.eq(stage.o.payload),
            self.o.valid.eq(stage.o.valid),
            stage.o.ready.eq(self.o.ready),
        ]
        read(m, fifo, stage)
        return m


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_a_stage_takes_what_a_fifo_holds(stall):
    play(Queue(), stall)
