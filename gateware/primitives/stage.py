"""A register that parts what is slow to answer, or far, from what decides by the answer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import FIFOInterface


class Stage(wiring.Component):
    """Holds one sample of a stream. Ready only while empty, so one sample every two clocks.

    Neither side's handshake passes through: block RAM is slow to answer, and what follows may think
    about its answer for a whole clock.
    """

    def __init__(self, payload: Any):
        self._payload = payload
        signature = stream.Signature(payload)
        super().__init__({"i": wiring.In(signature), "o": wiring.Out(signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = Signal(self._payload, reset_less=True)
        m.d.comb += [self.i.ready.eq(~self.o.valid), self.o.payload.eq(held)]
        with m.If(~self.o.valid):
            m.d.sync += [self.o.valid.eq(self.i.valid), held.eq(self.i.payload)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m


def read(m: Module, fifo: FIFOInterface, stage: Stage) -> None:
    """Let a stage take what a FIFO holds."""
    m.d.comb += [
        stage.i.valid.eq(fifo.r_rdy),
        stage.i.payload.eq(fifo.r_data),
        fifo.r_en.eq(stage.i.ready),
    ]
