"""Frames in a stream of bytes. Model: `models.host_link.cobs`."""

from __future__ import annotations

from amaranth.hdl import C, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.host_link import payloads
from gateware.host_link.payloads import Fault
from models.host_link.cobs import LONGEST


class Decoder(wiring.Component):
    """Takes the stuffing off.

    * `i`: bytes, with 0x00 between frames; `o`: what is in the frames, each closed by its end.
      A frame that ends within a block has the fault FRAME. Delimiters without a frame between them
      give nothing.
    * A byte a clock, in and out. Latency: `latency` clocks.
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
    """Stuffs frames, and puts 0x00 behind each.

    * `i`: frames, each closed by its end; `o`: bytes.
    * A byte a clock: in, as long as the output keeps up, and out, as long as blocks are complete.
      The output has a byte more for each block and each frame.
    * A block leaves when it is complete, so the last byte of a block is `latency` clocks ahead of
      its code at the output.
    * Takes one block RAM for the bytes of two blocks.
    """

    latency = 5

    def __init__(self) -> None:
        super().__init__(
            {"i": In(stream.Signature(payloads.token())), "o": Out(stream.Signature(8))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        block = data.StructLayout({"code": 8, "end": 1})  # code 0: none, only the end
        m.submodules.bytes = held = fifo.SyncFIFOBuffered(width=8, depth=512)
        m.submodules.blocks = blocks = fifo.SyncFIFO(width=block.size, depth=16)

        # In: count the bytes of a block; what ends it gives its code.
        code = Signal(8, init=1)
        open_end = Signal()  # the frame so far ends with a full block, which implies nothing
        pushed = data.View(block, blocks.w_data)
        byte, end = self.i.payload.byte, self.i.payload.end
        zero = Signal()
        last = Signal()
        take = Signal()
        m.d.comb += [
            zero.eq(~end & (byte == 0)),
            last.eq(~end & (code == LONGEST)),
            self.i.ready.eq(held.w_rdy & blocks.w_rdy),
            take.eq(self.i.valid & self.i.ready),
            held.w_data.eq(byte),
            held.w_en.eq(take & ~end & ~zero),
            blocks.w_en.eq(take & (end | zero | last)),
            pushed.end.eq(end),
            pushed.code.eq(Mux(end & open_end, 0, Mux(last & ~zero, LONGEST + 1, code))),
        ]
        with m.If(take):
            m.d.sync += open_end.eq(last & ~zero)
            with m.If(end | zero | last):
                m.d.sync += code.eq(1)
            with m.Else():
                m.d.sync += code.eq(code + 1)

        # Out: a code, its bytes, and behind the last block of a frame the delimiter.
        left = Signal(8)
        ends = Signal()
        given = Signal(8, reset_less=True)
        popped = data.View(block, blocks.r_data)
        step = Signal()
        more = Signal()
        m.d.comb += [
            step.eq(self.o.ready | ~self.o.valid),
            self.o.payload.eq(given),
            more.eq(left != 0),
            held.r_en.eq(step & more),
            blocks.r_en.eq(step & ~more & ~ends),
        ]
        with m.If(step):
            with m.If(more):
                m.d.sync += [
                    self.o.valid.eq(held.r_rdy),
                    given.eq(held.r_data),
                    left.eq(left - held.r_rdy),
                ]
            with m.Elif(ends):
                m.d.sync += [self.o.valid.eq(1), given.eq(C(0, 8)), ends.eq(0)]
            with m.Else():
                none = popped.code == 0
                m.d.sync += [
                    self.o.valid.eq(blocks.r_rdy & ~none),
                    given.eq(popped.code),
                    left.eq(Mux(blocks.r_rdy & ~none, popped.code - 1, 0)),
                    ends.eq(blocks.r_rdy & popped.end),
                ]
        return m
