"""A saturating counter of events, with a sticky flag."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.models.common.checks import require


class EventCounter(wiring.Component):
    """Counts clocks in which `event` is high; stops at its largest value instead of wrapping.

    `flag` is sticky: it is high once an event was seen. `clear` sets both to zero. The event is
    registered first, so both are two clocks late.
    """

    def __init__(self, width: int):
        require("width", width, at_least=1, at_most=64, integer=True)
        super().__init__({"event": In(1), "clear": In(1), "count": Out(width), "flag": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        seen = Signal()
        full = Signal()
        m.d.sync += [seen.eq(self.event), full.eq(self.count[1:].all())]
        with m.If(self.clear):
            m.d.sync += [self.count.eq(0), self.flag.eq(0), full.eq(0)]
        with m.Elif(seen):
            m.d.sync += self.flag.eq(1)
            # `full` is one clock late; the lowest bit corrects for that.
            with m.If(~(full & self.count[0])):
                m.d.sync += self.count.eq(self.count + 1)
        return m
