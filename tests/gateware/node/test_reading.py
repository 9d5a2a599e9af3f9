"""Words from a queue: cut, counted, and never promised before they are there."""

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from shotveil.gateware.node.reading import Reading
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run


@pytest.mark.parametrize("width", [32, 33, 64])
def test_it_cuts_words(width):
    entries = np.random.default_rng(2).integers(0, 1 << min(width, 62), 20)
    words = 1 if width <= 32 else 2
    bench = AmaranthBench(Reading(width, 4))
    (result,) = bench.run(Run({"level": 3}, {"i": entries}, {"o": 20 * words}, stall=0.3))
    expected = [entry >> 32 * k & 0xFFFFFFFF for entry in entries for k in range(words)]
    assert result.outputs["o"].tolist() == expected
    (result,) = bench.run(Run({"level": 0}, {"i": entries}, {"o": 20 * words}))
    assert result.last["o"] - result.first["o"] == 2 * (20 * words - 1)
    assert result.status["available"] == 0


class Full(wiring.Component):
    """A reading behind a FIFO that gives its level a clock late, and what it promised."""

    def __init__(self, width):
        self._width = width
        super().__init__(
            {
                "i": In(stream.Signature(width)),
                "o": Out(stream.Signature(32)),
                "available": Out(16),
                "broken": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=self._width, depth=16)
        m.submodules.reading = reading = Reading(self._width, 5)
        m.d.comb += [
            fifo.w_data.eq(self.i.payload),
            fifo.w_en.eq(self.i.valid),
            self.i.ready.eq(fifo.w_rdy),
            reading.i.payload.eq(fifo.r_data),
            reading.i.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(reading.i.ready),
            self.o.payload.eq(reading.o.payload),
            self.o.valid.eq(reading.o.valid),
            reading.o.ready.eq(self.o.ready),
            self.available.eq(reading.available),
        ]
        m.d.sync += reading.level.eq(fifo.r_level)
        # Never more than there is, unless a word went by in the last four clocks.
        words = 1 if self._width <= 32 else 2
        into, out = Signal(16), Signal(16)
        quiet = Signal(4)
        m.d.sync += [
            into.eq(into + words * (self.i.valid & self.i.ready)),
            out.eq(out + (self.o.valid & self.o.ready)),
            quiet.eq((quiet << 1) | ~(self.o.valid & self.o.ready)),
        ]
        with m.If(quiet.all() & (reading.available > into - out)):
            m.d.sync += self.broken.eq(1)
        # And all there is, once nothing moves.
        still = Signal(12)
        moves = (self.i.valid & self.i.ready) | (self.o.valid & self.o.ready)
        m.d.sync += still.eq(Mux(moves, 0, (still << 1) | 1))
        with m.If(still.all() & (reading.available != into - out)):
            m.d.sync += self.broken.eq(1)
        return m


@pytest.mark.parametrize("width", [32, 64])
def test_it_promises_no_more_than_there_is(width):
    entries = np.random.default_rng(2).integers(0, 1 << min(width, 62), 200)
    words = 1 if width <= 32 else 2
    bench = AmaranthBench(Full(width))
    for stall in ({"i": 0.9}, {"o": 0.9}, {"i": 0.5, "o": 0.5}, {"i": 0.98, "o": 0.98}):
        n = 40 if stall.get("i") == 0.98 else 200
        (result,) = bench.run(Run({}, {"i": entries[:n]}, {"o": n * words}, stall=stall))
        assert not result.status["broken"]


def test_an_empty_design_fails(monkeypatch):
    monkeypatch.setattr(Reading, "elaborate", lambda self, platform: Module())
    run = Run({"level": 3}, {"i": np.arange(5)}, {"o": 5}, timeout=200)
    with pytest.raises(AssertionError):
        AmaranthBench(Reading(32, 4)).run(run)
