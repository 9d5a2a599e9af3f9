"""A register in a stream that breaks long combinational paths of its handshake."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import FIFOInterface


class Stage(wiring.Component):
    """Holds one sample of a stream. It is ready only while empty: one sample every two clocks.

    With `full_rate` it holds two samples, and passes one every clock.

    No handshake signal passes through. A slow source such as block RAM, or a distant sink, thus has
    a whole clock for its part.
    """

    def __init__(self, payload: Any, full_rate: bool = False):
        self._payload = payload
        self._full_rate = full_rate
        signature = stream.Signature(payload)
        super().__init__({"i": wiring.In(signature), "o": wiring.Out(signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = Signal(self._payload, reset_less=True)
        if self._full_rate:
            self._hold_two(m, held)
            return m
        m.d.comb += [self.i.ready.eq(~self.o.valid), self.o.payload.eq(held)]
        with m.If(~self.o.valid):
            m.d.sync += [self.o.valid.eq(self.i.valid), held.eq(self.i.payload)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m

    def _hold_two(self, m: Module, held: Any) -> None:
        spare = Signal(self._payload, reset_less=True)  # what came while `held` was waiting
        full = Signal()  # it did
        m.d.comb += [self.i.ready.eq(~full), self.o.payload.eq(held)]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                self.o.valid.eq(full | self.i.valid),
                held.eq(Mux(full, spare, self.i.payload)),
                full.eq(0),
            ]
        with m.Elif(self.i.valid & ~full):
            m.d.sync += full.eq(1)
        with m.If(~full):
            m.d.sync += spare.eq(self.i.payload)


def read(m: Module, fifo: FIFOInterface, stage: Stage) -> None:
    """Connect a FIFO's output to a stage."""
    m.d.comb += [
        stage.i.valid.eq(fifo.r_rdy),
        stage.i.payload.eq(fifo.r_data),
        fifo.r_en.eq(stage.i.ready),
    ]
