"""Rules for every buffer of a stream: samples stay in order, and a waiting one stays the same."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Module, Signal, Value


def counting(m: Module, dut: Any, valid: Value, ready: Value, width: int) -> tuple[Signal, ...]:
    """Feed `dut` 0, 1, 2, … in `width` bits and expect them back, each held until it is taken.

    Returns the numbers of samples sent and received, and whether one has waited at the output.
    """
    sent = Signal(width, name="sent")
    received = Signal(width, name="received")
    m.d.comb += [
        dut.i.valid.eq(valid),
        dut.i.payload.eq(sent),
        dut.o.ready.eq(ready),
    ]
    m.d.sync += sent.eq(sent + (dut.i.valid & dut.i.ready))
    m.d.sync += received.eq(received + (dut.o.valid & dut.o.ready))
    with m.If(dut.o.valid):
        m.d.comb += Assert(dut.o.payload == received)

    waiting = Signal(name="waiting")
    m.d.sync += waiting.eq(dut.o.valid & ~dut.o.ready)
    with m.If(waiting):
        m.d.comb += Assert(dut.o.valid)
    return sent, received, waiting
