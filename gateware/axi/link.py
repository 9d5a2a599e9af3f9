"""The host link's way to a processor beside it, and the crossing between their two clocks."""

from __future__ import annotations

from amaranth.hdl import DomainRenamer, Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.fifo import AsyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from shotveil.gateware.axi.chunks import Chunks
from shotveil.gateware.axi.mailbox import Mailbox
from shotveil.gateware.axi.port import Axi, AxiRead
from shotveil.gateware.axi.reader import DATA as WIDE
from shotveil.gateware.axi.reader import IDS as WIDE_IDS
from shotveil.gateware.axi.slave import DATA, IDS

# Bytes at the crossing: those that come until one side sees what the other has done.
DEPTH = 16


class AxiLink(wiring.Component):
    """Bytes from and to the host, whose end is a program on the processor.

    * `o`: bytes from the host, `i`: bytes to it, in the node's clock `sync`.
    * `registers`: the mailbox for the processor, from `base` on; `memory`: its memory. Both are in
      the domain `axi`, whose clock comes from the processor, so that it is answered whatever
      becomes of the node's clock.
    * `rows`: the address of the memory for rows that stay, in the node's clock. It is set before
      any host speaks to the node.
    """

    def __init__(self, base: int):
        self._base = base
        super().__init__(
            {
                "o": Out(stream.Signature(8)),
                "i": In(stream.Signature(8)),
                "registers": In(Axi(DATA, IDS)),
                "memory": Out(AxiRead(WIDE, WIDE_IDS)),
                "rows": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        mailbox, chunks = Mailbox(self._base), Chunks()
        m.submodules.mailbox = DomainRenamer("axi")(mailbox)
        m.submodules.chunks = DomainRenamer("axi")(chunks)
        m.submodules.from_host = from_host = AsyncFIFOBuffered(
            width=8, depth=DEPTH, w_domain="axi", r_domain="sync"
        )
        m.submodules.to_host = to_host = AsyncFIFOBuffered(
            width=8, depth=DEPTH, w_domain="sync", r_domain="axi"
        )
        m.submodules.rows = FFSynchronizer(mailbox.rows, self.rows)
        wiring.connect(m, wiring.flipped(self.registers), mailbox.axi)
        wiring.connect(m, chunks.axi, wiring.flipped(self.memory))
        wiring.connect(m, mailbox.chunks, chunks.i)
        wiring.connect(m, to_host.r_stream, mailbox.i)
        wiring.connect(m, wiring.flipped(self.i), to_host.w_stream)
        wiring.connect(m, from_host.r_stream, wiring.flipped(self.o))
        m.d.comb += [
            chunks.flush.eq(mailbox.flush),
            mailbox.flushing.eq(chunks.flushing),
            mailbox.waiting.eq(chunks.waiting),
            mailbox.done.eq(chunks.done),
            mailbox.bad_words.eq(chunks.bad_words),
            from_host.w_data.eq(Mux(mailbox.memory, chunks.o.payload, mailbox.o.payload)),
            from_host.w_en.eq(Mux(mailbox.memory, chunks.o.valid, mailbox.o.valid)),
            chunks.o.ready.eq(from_host.w_rdy & mailbox.memory),
            mailbox.o.ready.eq(from_host.w_rdy & ~mailbox.memory),
        ]
        return m
