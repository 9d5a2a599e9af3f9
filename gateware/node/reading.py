"""What a node holds for its host, as words of the host link."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Shape, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from models.checks import require

WORD = 32


class Reading(wiring.Component):
    """Cuts the entries of a FIFO into words, low word first, and counts them.

    * `i`: entries of 33 to 64 bits, or of 32 or fewer; `level`: how many of them wait there.
    * `o`: two words or one for each. `available`: words that come without being waited for; late
      by two clocks.
    """

    def __init__(self, payload: ShapeLike, level_bits: int):
        width = Shape.cast(payload).width
        require("width", width, at_least=1, at_most=2 * WORD, integer=True)
        self._two = width > WORD
        super().__init__(
            {
                "i": In(stream.Signature(payload)),
                "level": In(level_bits),
                "o": Out(stream.Signature(WORD)),
                "available": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        entry = Signal(Shape.cast(self.i.payload.shape()).width)
        m.d.comb += [entry.eq(self.i.payload), self.o.valid.eq(self.i.valid)]
        if not self._two:
            m.d.comb += [self.o.payload.eq(entry), self.i.ready.eq(self.o.ready)]
            m.d.sync += self.available.eq(self.level)
            return m
        second = Signal()
        m.d.comb += [
            self.o.payload.eq(Mux(second, entry[WORD:], entry[:WORD])),
            self.i.ready.eq(self.o.ready & second),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += second.eq(~second)
        # The level may be a clock late, and then still count the entry that has just gone.
        settled = Signal(3)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += settled.eq(0)
        with m.Else():
            m.d.sync += settled.eq((settled << 1) | 1)
        m.d.sync += self.available.eq(
            Mux(settled[-1] & (self.level != 0), (self.level << 1) - second, 0)
        )
        return m
