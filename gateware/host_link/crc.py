"""CRC-32 of packets, one byte per clock. Model: `models.host_link.crc`."""

from __future__ import annotations

import functools
import operator

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.host_link import payloads
from shotveil.gateware.host_link.payloads import Fault
from shotveil.models.host_link.crc import RESIDUE, START, table
from shotveil.models.host_link.packet import CRC_BYTES


def update(register: Value, byte: Value) -> Value:
    """The register after one more byte; each bit is the exclusive or of a few bits of both."""
    index = register[:8] ^ byte
    columns = [table()[1 << bit] for bit in range(8)]
    rows = [
        [index[bit] for bit in range(8) if columns[bit] >> row & 1]
        + ([register[row + 8]] if row < 24 else [])
        for row in range(32)
    ]
    return Cat(functools.reduce(operator.xor, row) for row in rows)


class CrcCheck(wiring.Component):
    """Checks frames whose last four bytes are the CRC-32 of the bytes before them.

    * `i`: frames; `o`: the same frames, with the fault CRC where the CRC is wrong and there is no
      earlier fault.
    * Throughput: one token per clock. Latency: `latency` clocks.
    """

    latency = 2

    def __init__(self) -> None:
        tokens = stream.Signature(payloads.judged())
        super().__init__({"i": In(tokens), "o": Out(tokens)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        register = Signal(32, init=START)
        # The comparison has a register of its own: 32 bits to compare, and then a fault to set far
        # away, are too long a way for one clock of the node.
        waiting = Signal()
        before = Signal(payloads.judged(), reset_less=True)
        differs = Signal()
        token = Signal(payloads.judged(), reset_less=True)
        m.d.comb += [self.i.ready.eq(self.o.ready | ~self.o.valid), self.o.payload.eq(token)]
        wrong = before.end & (before.fault == Fault.NONE) & differs
        with m.If(self.i.ready):
            m.d.sync += [
                waiting.eq(self.i.valid),
                before.eq(self.i.p),
                differs.eq(register != RESIDUE),
                self.o.valid.eq(waiting),
                token.eq(before),
                token.fault.eq(Mux(wrong, Fault.CRC, before.fault)),
            ]
            with m.If(self.i.valid):
                m.d.sync += register.eq(Mux(self.i.p.end, START, update(register, self.i.p.byte)))
        return m


class CrcAppend(wiring.Component):
    """Appends the CRC-32 to the bytes of each frame, in four bytes, lowest first.

    * Throughput: one token per clock, and four more clocks per frame. Latency: `latency` clocks.
    """

    latency = 1

    def __init__(self) -> None:
        tokens = stream.Signature(payloads.token())
        super().__init__({"i": In(tokens), "o": Out(tokens)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        register = Signal(32, init=START)
        left = Signal(range(CRC_BYTES + 1), init=CRC_BYTES)  # bytes of the CRC to be given
        token = Signal(payloads.token(), reset_less=True)
        step = Signal()
        insert = Signal()
        m.d.comb += [
            step.eq(self.o.ready | ~self.o.valid),
            insert.eq(self.i.valid & self.i.p.end & (left != 0)),
            self.i.ready.eq(step & ~insert),
            self.o.payload.eq(token),
        ]
        with m.If(step):
            m.d.sync += [self.o.valid.eq(self.i.valid), token.eq(self.i.p)]
            with m.If(insert):
                m.d.sync += [
                    token.byte.eq(~register[:8]),
                    token.end.eq(0),
                    register.eq(Cat(register[8:], C(0, 8))),
                    left.eq(left - 1),
                ]
            with m.Elif(self.i.valid):
                m.d.sync += [
                    register.eq(Mux(self.i.p.end, START, update(register, self.i.p.byte))),
                    left.eq(CRC_BYTES),
                ]
        return m
