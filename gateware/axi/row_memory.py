"""Memory for rows that stay, in the memory of a processor."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from shotveil.gateware.axi.port import ADDRESS_BITS, Axi, Burst
from shotveil.gateware.axi.reader import BYTES, DATA, IDS, Reader
from shotveil.gateware.node.row_memory import RowMemory
from shotveil.models.common.checks import require
from shotveil.models.node.spec import NodeSpec

SYMBOL = 32  # bits of a symbol in memory: two of them in a word
WRITES = 16  # that are on their way at most


class AxiRowMemory(wiring.Component):
    """A `RowMemory` behind an AXI port, in the clock of the node.

    * `base`: the address of the first symbol, a multiple of `bytes`, whose lower bits do not
      matter; 0 where there is no memory. It stays while symbols are kept or read.
    * A symbol is written by itself, with its half of a word marked by strobes. Nothing is read
      before all answers to writes have come. If one is an error, every symbol comes as `bad` from
      then on, because nobody knows which one is missing. So it is if there is no memory.
    * Pieces are read by a `Reader`, which hides the memory's latency. A symbol that comes with an
      error is `bad`.
    * Raises `RangeError` for symbols that do not fill half a word.
    """

    def __init__(self, spec: NodeSpec):
        require("width of symbol", spec.drive.symbol.width, at_least=16, at_most=16)
        self._spec = spec
        self.bytes = SYMBOL // 8 << (spec.store - 1).bit_length()  # with all addresses of `base`
        super().__init__(
            {"port": In(RowMemory(spec)), "base": In(ADDRESS_BITS), "axi": Out(Axi(DATA, IDS))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port: Any = self.port
        axi = self.axi
        bits = len(port.piece.p.count)
        above = self.base[(self.bytes - 1).bit_length() :]
        nowhere = Signal(init=1)
        m.d.sync += nowhere.eq(above == 0)

        # Writes.
        writing = Signal(range(WRITES + 1))
        failed = Signal()
        put, answered = Signal(), Signal()
        place, symbol = port.keep.p.place, port.keep.p.symbol.as_value()
        m.d.comb += [
            port.keep.ready.eq(~axi.awvalid & ~axi.wvalid & (writing != WRITES)),
            put.eq(port.keep.valid & port.keep.ready),
            answered.eq(axi.bvalid),
            axi.bready.eq(1),
            axi.awsize.eq((BYTES - 1).bit_length()),
            axi.awburst.eq(Burst.INCR),
            axi.wlast.eq(1),
        ]
        with m.If(put):
            m.d.sync += [
                axi.awvalid.eq(~nowhere),
                axi.wvalid.eq(~nowhere),
                axi.awaddr[3:].eq(Cat(place[1:], above)),
                axi.wdata.eq(Cat(symbol, symbol)),
                axi.wstrb.eq(Mux(place[0], 0xF0, 0x0F)),
            ]
        with m.Else():
            m.d.sync += [
                axi.awvalid.eq(axi.awvalid & ~axi.awready),
                axi.wvalid.eq(axi.wvalid & ~axi.wready),
            ]
        m.d.sync += [
            writing.eq(writing + (put & ~nowhere) - answered),
            failed.eq(failed | (answered & axi.bresp[1]) | (put & nowhere)),
        ]

        # Reads: whole words are asked for, and what is due of them is known beside the reader.
        m.submodules.reader = reader = Reader(bits)
        for name, member in reader.axi.signature.members.items():
            theirs, ours = getattr(reader.axi, name), getattr(axi, name)
            m.d.comb += ours.eq(theirs) if member.flow is Out else theirs.eq(ours)
        m.submodules.pieces = pieces = ResetInserter(port.flush)(SyncFIFO(width=1 + bits, depth=4))
        at, count = port.piece.p.place, port.piece.p.count
        passes = Signal()
        left, upper = Signal(bits), Signal()
        moves = Signal()
        m.d.comb += [
            passes.eq((writing == 0) & ~axi.awvalid & pieces.w_rdy),
            reader.i.valid.eq(port.piece.valid & passes),
            reader.i.p.word.eq(Cat(at[1:], above)),
            reader.i.p.words.eq((count + at[0] + 1) >> 1),
            port.piece.ready.eq(reader.i.ready & passes),
            pieces.w_en.eq(port.piece.valid & port.piece.ready),
            pieces.w_data.eq(Cat(at[0], count)),
            pieces.r_en.eq(left == 0),
            port.symbol.valid.eq(reader.o.valid & (left != 0)),
            port.symbol.p.symbol.as_value().eq(reader.o.p.data.word_select(upper, SYMBOL)),
            port.symbol.p.bad.eq(reader.o.p.bad | failed),
            moves.eq(port.symbol.valid & port.symbol.ready),
            reader.o.ready.eq(moves & (upper | (left == 1))),
            reader.flush.eq(port.flush),
            port.idle.eq(reader.idle),
        ]
        with m.If(port.flush):
            m.d.sync += left.eq(0)
        with m.Elif((left == 0) & pieces.r_rdy):
            m.d.sync += Cat(upper, left).eq(pieces.r_data)
        with m.Elif(moves):
            m.d.sync += [left.eq(left - 1), upper.eq(~upper)]
        return m
