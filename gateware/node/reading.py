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
    * `o`: two words or one for each, one every two clocks. `available`: words that are there; late
      by some clocks, during which it may tell of none.
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
        word = Signal(WORD, reset_less=True)
        held = Signal()
        m.d.comb += [
            entry.eq(self.i.payload),
            self.o.valid.eq(held),
            self.o.payload.eq(word),
        ]
        # Filled only while empty, so that no handshake passes through: a FIFO is slow to give its
        # entry, and the link chooses among many ports.
        with m.If(~held):
            m.d.sync += held.eq(self.i.valid)
        with m.Elif(self.o.ready):
            m.d.sync += held.eq(0)
        words = Signal(len(self.level) + 1)  # of those that wait, behind the one that is held
        if self._two:
            second = Signal()
            m.d.comb += [
                self.i.ready.eq(~held & second),
                words.eq((self.level << 1) - second),
            ]
            with m.If(~held):
                m.d.sync += word.eq(Mux(second, entry[WORD:], entry[:WORD]))
                with m.If(self.i.valid):
                    m.d.sync += second.eq(~second)
        else:
            m.d.comb += [self.i.ready.eq(~held), words.eq(self.level)]
            with m.If(~held):
                m.d.sync += word.eq(entry)
        # The level may be a clock late, and then count the entry that has just been taken.
        settled = Signal(3)
        m.d.sync += [
            settled.eq(Mux(held, (settled << 1) | 1, 0)),
            self.available.eq(Mux(settled[-1], words + 1, 0)),
        ]
        return m
