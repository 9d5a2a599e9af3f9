"""Bytes for the node from chunks of a processor's memory. Model: `models.host_link.mailbox`."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from shotveil.gateware.axi.mailbox import COUNT, POSITION, chunk
from shotveil.gateware.axi.port import AxiRead
from shotveil.gateware.axi.reader import BYTES, DATA, IDS, WORD_BITS, Reader
from shotveil.models.host_link.mailbox import CHUNK_BYTES, CHUNKS, LARGEST

WORDS = (CHUNK_BYTES // BYTES).bit_length()


class Chunks(wiring.Component):
    """Fetches the chunks at `i` by `axi` and gives their bytes at `o`, one a clock, in order.

    * `waiting`: chunks whose last byte was not taken; `i` takes no more than `CHUNKS`. `done`
      counts those whose last byte was, and `bad_words` the words that came with an error.
    * A word that came with an error gives zeros. No frame of the host link holds a zero, so the
      frame around it is broken, and the host sends it again.
    * `flush` drops all chunks; a byte at `o` may be withdrawn by it. `flushing` is high until the
      memory owes no word of them.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(chunk())),
                "o": Out(stream.Signature(8)),
                "axi": Out(AxiRead(DATA, IDS)),
                "waiting": Out(range(CHUNKS + 1)),
                "done": Out(POSITION),
                "bad_words": Out(POSITION),
                "flush": In(1),
                "flushing": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader = reader = Reader(WORDS)
        wiring.connect(m, reader.axi, wiring.flipped(self.axi))
        # The reader is ahead of the bytes by many chunks, so each of them has a queue.
        pieces = SyncFIFO(width=WORD_BITS + WORDS, depth=CHUNKS)
        counts = SyncFIFO(width=COUNT, depth=CHUNKS)
        m.submodules.pieces = ResetInserter(self.flushing)(pieces)
        m.submodules.counts = ResetInserter(self.flushing)(counts)
        accepted = Signal()
        m.d.comb += [
            self.i.ready.eq((self.waiting != CHUNKS) & ~self.flushing),
            accepted.eq(self.i.valid & self.i.ready),
            pieces.w_en.eq(accepted),
            counts.w_en.eq(accepted),
            counts.w_data.eq(self.i.p.count),
            reader.i.valid.eq(pieces.r_rdy),
            reader.i.p.as_value().eq(pieces.r_data),
            pieces.r_en.eq(reader.i.ready),
        ]
        asked = Signal(reader.i.p.shape())
        m.d.comb += [
            asked.word.eq(self.i.p.word),
            asked.words.eq((self.i.p.count + (BYTES - 1)) >> (BYTES - 1).bit_length()),
            pieces.w_data.eq(asked),
        ]

        left = Signal(COUNT)  # bytes of the chunk to come
        lane = Signal(range(BYTES))
        last, moved, ended = Signal(), Signal(), Signal()
        word = reader.o.p
        m.d.comb += [
            counts.r_en.eq(left == 0),
            last.eq(left == 1),
            self.o.valid.eq(reader.o.valid & (left != 0)),
            self.o.payload.eq(Mux(word.bad, 0, word.data.word_select(lane, 8))),
            moved.eq(self.o.valid & self.o.ready),
            ended.eq(moved & last),
            reader.o.ready.eq(moved & (last | (lane == BYTES - 1))),
            reader.flush.eq(self.flushing),
        ]
        with m.If(left == 0):
            m.d.sync += [left.eq(Mux(counts.r_rdy, counts.r_data, 0)), lane.eq(0)]
        with m.Elif(moved):
            m.d.sync += [left.eq(left - 1), lane.eq(lane + 1)]
        m.d.sync += [
            self.waiting.eq(self.waiting + accepted - ended),
            self.done.eq(self.done + ended),
        ]
        with m.If(self.axi.rvalid & self.axi.rresp[1] & (self.bad_words != LARGEST)):
            m.d.sync += self.bad_words.eq(self.bad_words + 1)
        with m.If(self.flush):
            m.d.sync += self.flushing.eq(1)
        with m.If(self.flushing):
            m.d.sync += [left.eq(0), lane.eq(0), self.waiting.eq(0), self.done.eq(0)]
            with m.If(reader.idle & ~self.flush):
                m.d.sync += self.flushing.eq(0)
        return m
