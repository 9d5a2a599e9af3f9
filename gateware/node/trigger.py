"""The trigger input: each edge lets a frame start, later. Model: `models.node.trigger`."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect

from shotveil.gateware.primitives.stage import Stage
from shotveil.models.node.trigger import DELAY_BITS, PENDING


class Trigger(wiring.Component):
    """Holds frames back until an edge of `trigger` is `delay` clocks old.

    * `trigger`: may come at any time, as from a pin; its rise counts. Up to `PENDING` edges are on
      their way at once; each lets one frame start, unless the one before has not been used.
    * `triggered`: 0 lets all frames pass and forgets edges. `delay` changes only meanwhile.
    * `hold`: to the drive; `started`: from it. `LATENCY` of the model at a delay of 0, give or take
      a clock for an edge that falls between two clocks.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "trigger": In(1),
                "triggered": In(1),
                "delay": In(DELAY_BITS),
                "started": In(1),
                "hold": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        seen = Signal(3)  # two registers against metastability, one to see the edge
        now = Signal(DELAY_BITS + 1)
        m.d.sync += [seen.eq(Cat(self.trigger, seen)), now.eq(now + 1)]
        # The next time is in a register: the FIFO is slow to show it. Edges are two clocks apart,
        # which is as long as it takes to fill it again.
        due, head = SyncFIFO(width=len(now), depth=PENDING), Stage(len(now))
        m.submodules.due = ResetInserter(~self.triggered)(due)
        m.submodules.head = ResetInserter(~self.triggered)(head)
        connect(m, due.r_stream, head.i)
        pending = Signal(range(PENDING + 1))
        fires = Signal()
        fired = Signal()  # a clock late, which the wide comparison takes
        ready = Signal()
        m.d.comb += [
            due.w_data.eq(now + self.delay + 2),
            due.w_en.eq(seen[1] & ~seen[2] & self.triggered & (pending != PENDING)),
            fires.eq(head.o.valid & (head.o.payload == now)),
            head.o.ready.eq(fires),
            self.hold.eq(self.triggered & ~ready),
        ]
        m.d.sync += [
            fired.eq(fires & self.triggered),
            pending.eq(Mux(self.triggered, pending + due.w_en - fired, 0)),
        ]
        with m.If(self.started | ~self.triggered):
            m.d.sync += ready.eq(0)
        with m.If(fired & self.triggered):
            m.d.sync += ready.eq(1)
        return m
