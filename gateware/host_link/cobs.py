"""Frames in a stream of bytes. Model: `models.host_link.cobs`."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.host_link import payloads
from shotveil.gateware.host_link.payloads import Fault
from shotveil.gateware.primitives.memory import NO_COLLISIONS
from shotveil.gateware.primitives.pipeline import flow
from shotveil.models.host_link.cobs import LONGEST

RING = 512  # bytes: two blocks and more


class Decoder(wiring.Component):
    """Removes the stuffing.

    * `i`: bytes, with 0x00 between frames; `o`: the bytes of the frames, each closed by its end.
      A frame that ends within a block has the fault FRAME. Delimiters without a frame between them
      give nothing.
    * Throughput: one byte per clock, in and out. Latency: `latency` clocks.
    """

    latency = 1

    def __init__(self) -> None:
        super().__init__(
            {"i": In(stream.Signature(8)), "o": Out(stream.Signature(payloads.judged()))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        token = Signal(payloads.judged(), reset_less=True)
        left = Signal(8)  # bytes of the block that are still to come
        within = Signal()  # a frame has begun
        implied = Signal()  # the block that ends here stands for a zero behind it
        delimiter = Signal()
        code = Signal()
        m.d.comb += [
            self.i.ready.eq(self.o.ready | ~self.o.valid),
            self.o.payload.eq(token),
            delimiter.eq(self.i.payload == 0),
            code.eq(left == 0),
        ]
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(0)
            with m.If(self.i.valid):
                m.d.sync += [
                    self.o.valid.eq(Mux(delimiter, within, ~code | implied)),
                    token.byte.eq(Mux(code, 0, self.i.payload)),
                    token.end.eq(delimiter),
                    token.fault.eq(Mux(delimiter & ~code, Fault.FRAME, Fault.NONE)),
                    within.eq(~delimiter),
                ]
                with m.If(delimiter):
                    m.d.sync += [left.eq(0), implied.eq(0)]
                with m.Elif(code):
                    m.d.sync += [
                        left.eq(self.i.payload - 1),
                        implied.eq(self.i.payload != LONGEST + 1),
                    ]
                with m.Else():
                    m.d.sync += left.eq(left - 1)
        return m


class Encoder(wiring.Component):
    """Stuffs frames, and sends 0x00 after each.

    * `i`: frames, each closed by its end; `o`: bytes.
    * Bytes go to a ring buffer, with a hole before each block for its code. The end of a block
      fills the hole, and then all bytes before the next hole may leave.
    * Throughput: one byte per clock, in and out, with one more clock for each full block and each
      end of a frame. Latency: `latency` clocks from the end of a block to its code, if no other
      byte waits.
    * It takes one block RAM.
    """

    latency = 4

    def __init__(self) -> None:
        super().__init__(
            {"i": In(stream.Signature(payloads.token())), "o": Out(stream.Signature(8))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ring = ring = Memory(shape=8, depth=RING, init=[], attrs=NO_COLLISIONS)
        write, read = ring.write_port(), ring.read_port()
        head = Signal(range(RING), init=1)  # where the next byte goes
        hole = Signal(range(RING))  # where the code of this block goes
        tail = Signal(range(RING))  # the next byte to leave
        code = Signal(8, init=1)
        open_end = Signal()  # the frame so far ends with a full block, so no further one is needed
        room = Signal()  # one clock late, so some bytes are kept in reserve
        free = Signal(range(RING))
        # Bytes are written a clock later, from registers, and read once they are there.
        put = Signal()
        complete = Signal.like(hole)
        byte, end = self.i.p.byte, self.i.p.end
        fill = Signal()  # the hole, and leave the next one
        value = Signal(8)
        m.d.comb += free.eq(tail - head)
        m.d.sync += [
            room.eq(free >= 8),
            write.en.eq(put),
            write.addr.eq(Mux(fill, hole, head)),
            write.data.eq(Mux(fill, value, byte)),
            complete.eq(hole),
        ]

        with m.FSM():
            with m.State("BYTES"):
                m.d.comb += [self.i.ready.eq(room), put.eq(self.i.valid & room)]
                m.d.comb += [fill.eq(end | (byte == 0)), value.eq(Mux(end & open_end, 0, code))]
                with m.If(self.i.valid & room):
                    m.d.sync += open_end.eq(0)
                    with m.If(end & ~open_end):
                        m.next = "END"
                    with m.Elif(~fill & (code == LONGEST)):
                        m.next = "FULL"
            with m.State("FULL"):
                m.d.comb += [put.eq(1), fill.eq(1), value.eq(LONGEST + 1)]
                m.d.sync += open_end.eq(1)
                m.next = "BYTES"
            with m.State("END"):
                m.d.comb += [put.eq(1), fill.eq(1), value.eq(0)]
                m.next = "BYTES"
        with m.If(put):
            m.d.sync += [head.eq(head + 1), code.eq(Mux(fill, 1, code + 1))]
            with m.If(fill):
                m.d.sync += hole.eq(head)

        addresses = stream.Signature(len(tail)).create()
        enable = flow(m, addresses, self.o, latency=2)
        given = Signal(8, reset_less=True)
        m.d.comb += [
            addresses.valid.eq(tail != complete),
            read.addr.eq(tail),
            read.en.eq(enable),
            self.o.payload.eq(given),
        ]
        with m.If(enable):
            m.d.sync += given.eq(read.data)
        with m.If(addresses.valid & addresses.ready):
            m.d.sync += tail.eq(tail + 1)
        return m
