"""Conversion of a FIFO's entries to words of the host link."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Shape, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from shotveil.gateware.primitives.stage import Stage
from shotveil.models.common.checks import require
from shotveil.models.host_link.packet import WORD


class Reading(wiring.Component):
    """Cuts the entries of a FIFO into words, low word first, and counts them.

    * `i`: entries of at most 64 bits; `level`: number of entries that wait there.
    * `o`: two words for each entry of more than 32 bits, else one; one word every two clocks.
      `available`: number of words that are there. It is late by some clocks, in which it may be 0.
      `hide` sets it to 0, because the words will be dropped before they could be taken.
    """

    def __init__(self, payload: ShapeLike, level_bits: int):
        width = Shape.cast(payload).width
        require("width", width, at_least=1, at_most=2 * WORD, integer=True)
        self._two = width > WORD
        super().__init__(
            {
                "i": In(stream.Signature(payload)),
                "level": In(level_bits),
                "hide": In(1),
                "o": Out(stream.Signature(WORD)),
                "available": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.stage = stage = Stage(Shape.cast(self.i.payload.shape()).width)
        connect(m, flipped(self.i), stage.i)
        there, entry = stage.o.valid, stage.o.payload
        word = Signal(WORD, reset_less=True)
        held = Signal()
        m.d.comb += [
            self.o.valid.eq(held),
            self.o.payload.eq(word),
        ]
        # Filled only while empty, so that no handshake passes through: the link chooses among many
        # ports. A FIFO is slow to give its entry, which is why the stage holds it first.
        with m.If(~held):
            m.d.sync += held.eq(there)
        with m.Elif(self.o.ready):
            m.d.sync += held.eq(0)
        entries = Signal(len(self.level) + 1)  # that wait, one in part
        words = Signal(len(self.level) + 2)  # of them, and the one that is held
        m.d.comb += entries.eq(self.level + there)
        if self._two:
            second = Signal()
            m.d.comb += [stage.o.ready.eq(~held & second), words.eq(Cat(~second, entries))]
            with m.If(~held):
                m.d.sync += word.eq(Mux(second, entry[WORD:], entry[:WORD]))
                with m.If(there):
                    m.d.sync += second.eq(~second)
        else:
            m.d.comb += [stage.o.ready.eq(~held), words.eq(entries + 1)]
            with m.If(~held):
                m.d.sync += word.eq(entry)
        # The level may be one clock late and still count the entry that the stage has just taken.
        settled = Signal(3)
        taken = stage.i.valid & stage.i.ready
        m.d.sync += [
            settled.eq(Mux(held & ~taken, (settled << 1) | 1, 0)),
            self.available.eq(Mux(settled[-1] & ~self.hide, words, 0)),
        ]
        return m
