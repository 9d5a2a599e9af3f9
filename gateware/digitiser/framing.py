"""Labels for the symbols of a frame. Model: `models.digitiser.chain.plan`."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser import payloads
from shotveil.models.digitiser.spec import PILOT, ROW, VACUUM, DigitiserSpec


class DigitiserFraming(wiring.Component):
    """Counts symbols from the start of a frame: pilots, row, pilots, row, …, pilots, vacuum.

    * `i`: filtered symbols; `o`: the symbols of frames with their labels; others are dropped. It
      never stalls.
    * `row`, `pilots`, `spacing`, `vacuum`: the frame's layout, as in `models.signal.frame`.
    * `skip`: sampled with a frame's first symbol, and then a label of all its symbols. `started`
      pulses one clock later.
    """

    latency = 1

    def __init__(self, spec: DigitiserSpec):
        self._spec = spec
        super().__init__(
            {
                "i": In(stream.Signature(payloads.filtered(spec), always_ready=True)),
                "o": Out(stream.Signature(payloads.framed(spec), always_ready=True)),
                "row": In(13),
                "pilots": In(4),
                "spacing": In(13),
                "vacuum": In(8),
                "skip": In(1),
                "started": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        active = Signal()
        kind = Signal(2)
        within = Signal(13)  # number of the symbol in its section
        index = Signal(13)  # number of the next row symbol
        segment = Signal(4)
        turn = Signal(2)  # number of the next pilot in the frame, modulo 4
        lost = Signal()
        skip = Signal()
        # A mark begins a frame whatever came before.
        fresh = self.i.p.mark
        here = {name: Signal.like(s, name=f"{name}_now") for name, s in
                (("kind", kind), ("within", within), ("index", index),
                 ("segment", segment), ("turn", turn))}  # fmt: skip
        m.d.comb += [
            here["kind"].eq(Mux(fresh, PILOT, kind)),
            here["within"].eq(Mux(fresh, 0, within)),
            here["index"].eq(Mux(fresh, 0, index)),
            here["segment"].eq(Mux(fresh, 0, segment)),
            here["turn"].eq(Mux(fresh, 0, turn)),
        ]
        # One less than each length, kept in a register, spares an adder before each comparison. A
        # mark is always a pilot, so other kinds need not ask for one.
        row, pilots, spacing, vacuum = (
            Signal.like(length, name=f"{length.name}_less_1")
            for length in (self.row, self.pilots, self.spacing, self.vacuum)
        )
        for less, length in (
            (row, self.row),
            (pilots, self.pilots),
            (spacing, self.spacing),
            (vacuum, self.vacuum),
        ):
            m.d.sync += less.eq(length - 1)
        last = ~fresh & (kind == VACUUM) & (within == vacuum)
        done = Mux(fresh, self.row == 0, index == self.row)
        used = Signal()
        m.d.comb += used.eq(self.i.valid & (active | fresh))
        with m.If(used):
            m.d.sync += [within.eq(here["within"] + 1), kind.eq(here["kind"]), active.eq(~last)]
            m.d.sync += [index.eq(here["index"]), segment.eq(here["segment"])]
            m.d.sync += turn.eq(here["turn"])
            with m.If(here["kind"] == PILOT):
                m.d.sync += turn.eq(here["turn"] + 1)
                with m.If(Mux(fresh, self.pilots == 1, within == pilots)):
                    m.d.sync += [kind.eq(Mux(done, VACUUM, ROW)), within.eq(0)]
            with m.Elif(here["kind"] == ROW):
                m.d.sync += index.eq(here["index"] + 1)
                end = index == row
                with m.If(end | (within == spacing)):
                    m.d.sync += [kind.eq(PILOT), within.eq(0), segment.eq(here["segment"] + ~end)]
            with m.If(fresh):
                m.d.sync += [lost.eq(self.i.p.lost), skip.eq(self.skip)]
        out = self.o.p
        m.d.sync += [
            self.o.valid.eq(used),
            self.started.eq(used & fresh),
            out.skip.eq(Mux(fresh, self.skip, skip)),
            *(out[axis].eq(self.i.p[axis]) for axis in payloads.axes(self._spec)),
            out.kind.eq(here["kind"]),
            out.index.eq(
                Mux(here["kind"] == ROW, here["index"], Mux(here["kind"] == PILOT, here["turn"], 0))
            ),
            out.segment.eq(Mux(here["kind"] == ROW, here["segment"], 0)),
            out.last.eq(last),
            out.lost.eq(Mux(fresh, self.i.p.lost, lost)),
            out.over.eq(self.i.p.over),
        ]
        return m
