"""What the blocks of a node promise in clocks."""

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from shotveil.gateware.node.capture import Capture
from shotveil.gateware.node.reading import Reading
from shotveil.gateware.node.sequencer import Sequencer
from shotveil.models.common.checks import RangeError
from shotveil.models.node import replay, sequencer, trigger
from shotveil.sim.cases.node import BLOCKS, DRAIN, SMALL
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run


def play(name, n, due, settings=None, **ones):
    """Run a block for n clocks with inputs that are 0 but for the clocks named."""
    component = BLOCKS[name].component()
    inputs = {field: np.zeros(n, np.int64) for field, _ in component.i.payload.shape()}
    for field, clocks in ones.items():
        inputs[field][clocks] = 1
    run = Run(settings or {}, {"i": inputs}, {"o": n, **due}, linger=0)
    (result,) = AmaranthBench(component).run(run)
    return result


def test_sequencer():
    """`run` rises two clocks behind `start` and falls two behind the last frame's start; the output
    goes off `drain` clocks behind the frame."""
    n, begun, ended = 120, 20, 60
    busy = np.arange(begun + 1, ended)
    result = play("sequencer", n, {}, {"grant": 1, "lead_in": 0, "watchdog": 1},
                  arm=np.arange(5, n), start=[10], started=[begun], busy=busy)  # fmt: skip
    out = result.outputs["o"]
    assert np.nonzero(out["run"])[0].tolist() == list(range(12, begun + 2))
    assert np.nonzero(out["arm_drive"])[0].tolist() == list(range(11, ended + DRAIN + 1))
    assert np.nonzero(out["flush"])[0].tolist() == [ended + DRAIN + 1]
    assert out["state"][-1] == sequencer.SequencerState.DONE
    with pytest.raises(RangeError, match="drain = 0"):
        Sequencer(0)


def test_trigger():
    result = play("trigger", 60, {}, {"triggered": 1, "delay": 13}, trigger=np.arange(20, 25))
    low = np.nonzero(result.outputs["o"]["hold"] == 0)[0]
    assert low[0] == 20 + trigger.LATENCY + 13


def test_capture():
    depth = SMALL.capture
    result = play("capture", 2 * depth + 20, {"words": depth}, {"on_frame": 0}, start=[3])
    assert result.first["words"] - result.first["o"] == 3 + depth - 1 + Capture.latency
    assert result.last["words"] - result.first["words"] == depth - 1


def test_replay():
    """A row's symbols follow each other faster than the receiver asks for them."""
    delay = replay.latency(SMALL.digitiser)
    settings = {"lead_in": 0, "row": 48, "period": 700, "loop_delay": 0}
    result = play("replay", 900, {"q": 48}, settings, begin=[3], sent=[100],
                  taken=100 + 4 * np.arange(48), received=[100 + delay])  # fmt: skip
    assert result.first["q"] - result.first["o"] - (100 + delay) <= 8
    assert result.last["q"] - result.first["q"] <= 3 * 47


@pytest.mark.parametrize("width", [32, 33, 64])
def test_reading_cuts_words(width):
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
def test_reading_promises_no_more_than_there_is(width):
    entries = np.random.default_rng(2).integers(0, 1 << min(width, 62), 200)
    words = 1 if width <= 32 else 2
    bench = AmaranthBench(Full(width))
    for stall in ({"i": 0.9}, {"o": 0.9}, {"i": 0.5, "o": 0.5}, {"i": 0.98, "o": 0.98}):
        n = 40 if stall.get("i") == 0.98 else 200
        (result,) = bench.run(Run({}, {"i": entries[:n]}, {"o": n * words}, stall=stall))
        assert not result.status["broken"]
