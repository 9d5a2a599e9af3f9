"""The trigger input: each edge lets a frame start after a delay. Model: `models.node.trigger`."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect

from shotveil.gateware.primitives.stage import Stage
from shotveil.models.node.trigger import DELAY_BITS, PENDING


class Trigger(wiring.Component):
    """Holds frames back until an edge of `trigger` is `delay` clocks old.

    * `trigger` is asynchronous, as from a pin; its rising edges count. Up to `PENDING` edges can
      wait for their delay. Each lets one frame start, unless the edge before is still unused.
    * `triggered`: 0 lets all frames pass and drops edges. `delay` may change only meanwhile.
    * `hold` goes to the drive, `started` comes from it. The latency at a delay of 0 is `LATENCY` of
      the model, ± 1 clock for an edge that falls between two clocks.
    * `delay_bits`: the width of delays. Times wrap after twice the longest delay.
    """

    def __init__(self, delay_bits: int = DELAY_BITS) -> None:
        super().__init__(
            {
                "trigger": In(1),
                "triggered": In(1),
                "delay": In(delay_bits),
                "started": In(1),
                "hold": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        seen = Signal(3)  # two registers against metastability, one to see the edge
        now = Signal(len(self.delay) + 1)
        m.d.sync += [seen.eq(Cat(self.trigger, seen)), now.eq(now + 1)]
        # A register holds the next time, because the FIFO's output is slow. Edges are at least two
        # clocks apart, which is long enough to fill the register again.
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
