"""A register between a FIFO's memory and logic that decides by what it holds."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered


class Stage(wiring.Component):
    """Holds one sample of a stream. Ready only while empty, so one sample every two clocks.

    Neither side's handshake passes through: block RAM is slow to answer, and what follows may think
    about its answer for a whole clock.
    """

    def __init__(self, payload: object):
        signature = stream.Signature(payload)
        super().__init__({"i": wiring.In(signature), "o": wiring.Out(signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.i.ready.eq(~self.o.valid)
        with m.If(~self.o.valid):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m


def read(m: Module, fifo: SyncFIFOBuffered, stage: Stage) -> None:
    """Let a stage take what a FIFO holds."""
    m.d.comb += [
        stage.i.valid.eq(fifo.r_rdy),
        stage.i.payload.eq(fifo.r_data),
        fifo.r_en.eq(stage.i.ready),
    ]
