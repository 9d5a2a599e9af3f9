"""Reads pieces of a processor's memory in bursts, as many on their way as there is room for."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from shotveil.gateware.axi.port import ADDRESS_BITS, LONGEST, AxiRead, Burst
from shotveil.models.common.checks import require

DATA, IDS = 64, 6  # of a Zynq-7000's port S_AXI_HP
BYTES = DATA // 8
WORD_BITS = ADDRESS_BITS - (BYTES - 1).bit_length()  # of the number of a word


def piece(bits: int) -> data.StructLayout:
    """A piece of memory: the number of its first word, and how many words it has, 1 or more."""
    return data.StructLayout({"word": WORD_BITS, "words": bits})


def fetched() -> data.StructLayout:
    """A word of memory, and whether the memory said that it is none."""
    return data.StructLayout({"data": DATA, "bad": 1})


class Reader(wiring.Component):
    """Gives the words of the pieces at `i` at `o`, in order, each once.

    * Bursts end at multiples of 16 words, so none crosses 4096 bytes, and all but the first and the
      last of a piece have 16 words. Pieces follow each other without a gap.
    * `outstanding` bursts at most are asked for beyond what `o` took. All their words find room, so
      the memory never waits. 16 of them cover 200 clocks of latency at a word a clock.
    * A word that comes with an error is `bad`; the words around it are given as they are.
    * While `flush` is high, pieces are dropped: those that wait at `i`, and those that were begun.
      A request that is offered stays until it is taken, and the words that were asked for still
      come and are dropped; `idle` says that there are none left. Keep `flush` until then.
    * Takes one block RAM of a Zynq-7000.
    """

    def __init__(self, piece_bits: int, outstanding: int = 16):
        require("piece_bits", piece_bits, at_least=1, at_most=WORD_BITS, integer=True)
        require("outstanding", outstanding, at_least=1, at_most=64, integer=True)
        self._bits, self._depth = piece_bits, outstanding * LONGEST
        super().__init__(
            {
                "i": In(stream.Signature(piece(piece_bits))),
                "o": Out(stream.Signature(fetched())),
                "axi": Out(AxiRead(DATA, IDS)),
                "flush": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        axi = self.axi
        fifo = SyncFIFOBuffered(width=len(self.o.p.as_value()), depth=self._depth)
        m.submodules.fifo = ResetInserter(self.flush)(fifo)
        word, left = Signal(WORD_BITS), Signal(self._bits)
        claimed = Signal(range(self._depth + 1))  # words in the FIFO, or asked for
        due = Signal(range(self._depth + 1))  # words asked for that have not come
        burst = Signal(range(LONGEST + 1))  # words of the next one
        asks, came, taken = Signal(), Signal(), Signal()
        to_end = LONGEST - word[: (LONGEST - 1).bit_length()]
        m.d.comb += [
            burst.eq(Mux(left < to_end, left, to_end)),
            asks.eq(~axi.arvalid & (left != 0) & (claimed <= self._depth - LONGEST) & ~self.flush),
            self.i.ready.eq((left == 0) | self.flush),
            axi.arsize.eq((BYTES - 1).bit_length()),
            axi.arburst.eq(Burst.INCR),
            axi.rready.eq(1),
            came.eq(axi.rvalid),
            taken.eq(self.o.valid & self.o.ready),
            fifo.w_en.eq(came & ~self.flush),
            fifo.w_data.eq(Cat(axi.rdata, axi.rresp[1])),
            self.o.p.as_value().eq(fifo.r_data),
            self.o.valid.eq(fifo.r_rdy & ~self.flush),
            fifo.r_en.eq(self.o.ready & ~self.flush),
            self.idle.eq((due == 0) & ~axi.arvalid),
        ]
        with m.If(axi.arvalid):
            m.d.sync += axi.arvalid.eq(~axi.arready)
        with m.If(asks):
            m.d.sync += [
                axi.arvalid.eq(1),
                axi.araddr[-WORD_BITS:].eq(word),
                axi.arlen.eq(burst - 1),
                word.eq(word + burst),
                left.eq(left - burst),
            ]
        with m.Elif(self.i.valid & (left == 0)):
            m.d.sync += [word.eq(self.i.p.word), left.eq(self.i.p.words)]
        m.d.sync += [
            due.eq(due + Mux(asks, burst, 0) - came),
            claimed.eq(claimed + Mux(asks, burst, 0) - taken),
        ]
        with m.If(self.flush):
            m.d.sync += [left.eq(0), claimed.eq(0)]
        return m
