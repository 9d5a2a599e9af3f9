"""Requests from frames, and frames from responses. Model: `models.host_link.packet`."""

from __future__ import annotations

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.host_link import payloads
from shotveil.gateware.host_link.payloads import Fault
from shotveil.gateware.primitives.counter import EventCounter
from shotveil.gateware.primitives.memory import NO_COLLISIONS
from shotveil.gateware.primitives.pipeline import flow
from shotveil.models.host_link.packet import ANSWER, MAX_WORDS, REQUEST

COUNTERS = ("link_bad_crc", "link_bad_frame")


class Store(wiring.Component):
    """Keeps a request until it is complete and found good, and passes it on only then.

    * `i`: frames after the check of their CRC. `o`: headers of good requests; `words`: the words of
      each request whose header was taken, as many as the header's `words`. All must be taken.
    * There is room for two requests: while the words of one leave, one per clock, the next comes
      in, one byte per clock. If both places are full, `i` waits.
    * `link_bad_crc`, `link_bad_frame`: frames that were dropped, see `EventCounter`; `clear` sets
      them to zero. A frame is bad that was cut, or whose length no request has.
    * Latency: `latency` clocks from the end of a frame to its header.
    * Takes one block RAM.
    """

    latency = 1

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(payloads.judged())),
                "o": Out(stream.Signature(payloads.request())),
                "words": Out(stream.Signature(32)),
                "clear": In(1),
                **{name: Out(payloads.COUNTERS[name]) for name in COUNTERS},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=32, depth=2 * MAX_WORDS, init=[], attrs=NO_COLLISIONS
        )
        write, read = memory.write_port(), memory.read_port()
        header_bits = 8 * REQUEST.size
        headers = [Signal(header_bits, name=f"header_{k}", reset_less=True) for k in range(2)]
        counts = [Signal(payloads.COUNT, name=f"count_{k}", reset_less=True) for k in range(2)]
        full = Signal(2)
        incoming = Signal()  # which half the next frame goes to
        outgoing = Signal()  # which half the next request comes from

        # In: six bytes of header, then words, the last of which is the CRC.
        header_left = Signal(range(REQUEST.size + 1), init=REQUEST.size)
        phase = Signal(2)
        index = Signal(range(MAX_WORDS + 2))
        too_long = Signal()
        word = Signal(24, reset_less=True)  # its first three bytes
        byte, end = self.i.p.byte, self.i.p.end
        take = Signal()
        in_header = Signal()
        beyond = Signal()
        m.d.comb += [
            self.i.ready.eq(~Array(full)[incoming]),
            take.eq(self.i.valid & self.i.ready),
            in_header.eq(header_left != 0),
            beyond.eq(index == MAX_WORDS + 1),
            write.addr.eq(Cat(index[:8], incoming)),
            write.data.eq(Cat(word, byte)),
            write.en.eq(take & ~end & (phase == 3) & ~index[8]),
        ]
        header = Signal(header_bits, reset_less=True)
        bad_shape = Signal()
        good = Signal()
        m.d.comb += [
            bad_shape.eq(
                (self.i.p.fault == Fault.FRAME) | in_header | (phase != 0) | (index == 0) | too_long
            ),
            good.eq(take & end & ~bad_shape & (self.i.p.fault == Fault.NONE)),
        ]
        for name, event in (
            ("link_bad_frame", take & end & bad_shape),
            ("link_bad_crc", take & end & ~bad_shape & (self.i.p.fault == Fault.CRC)),
        ):
            m.submodules[name] = counter = EventCounter(payloads.COUNTERS[name])
            m.d.comb += [
                counter.event.eq(event),
                counter.clear.eq(self.clear),
                getattr(self, name).eq(counter.count),
            ]
        with m.If(take):
            m.d.sync += word.eq(Cat(word[8:], byte))
            with m.If(end):
                m.d.sync += [
                    header_left.eq(REQUEST.size),
                    phase.eq(0),
                    index.eq(0),
                    too_long.eq(0),
                ]
            with m.Elif(in_header):
                m.d.sync += [header.eq(Cat(header[8:], byte)), header_left.eq(header_left - 1)]
            with m.Else():
                m.d.sync += [phase.eq(phase + 1), too_long.eq(too_long | beyond)]
                with m.If((phase == 3) & ~beyond):
                    m.d.sync += index.eq(index + 1)
        with m.If(good):
            m.d.sync += incoming.eq(~incoming)
        for k in range(2):  # bad frames are written as well, but read only after a good end
            with m.If(take & end & (incoming == k)):
                m.d.sync += [headers[k].eq(header), counts[k].eq(index - 1)]

        # Out: a header, then its words, then the half is free.
        addresses = stream.Signature((2 * MAX_WORDS - 1).bit_length()).create()
        enable = flow(m, addresses, self.words, latency=2)
        held = Signal(32, reset_less=True)
        with m.If(enable):
            m.d.sync += held.eq(read.data)
        position = Signal(range(MAX_WORDS))
        left = Signal(payloads.COUNT)
        sending = Signal()
        release = Signal()
        m.d.comb += [
            addresses.payload.eq(Cat(position, outgoing)),
            addresses.valid.eq(sending),
            read.addr.eq(addresses.payload),
            read.en.eq(enable),
            self.words.payload.eq(held),
            self.o.valid.eq(Array(full)[outgoing] & ~sending),
            Cat(self.o.p.seq, self.o.p.op, self.o.p.target, self.o.p.count).eq(
                Array(headers)[outgoing]
            ),
            self.o.p.words.eq(Array(counts)[outgoing]),
        ]
        with m.If(sending), m.If(addresses.ready):
            m.d.sync += [position.eq(position + 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.sync += sending.eq(0)
                m.d.comb += release.eq(1)
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [position.eq(0), left.eq(self.o.p.words)]
            with m.If(self.o.p.words == 0):
                m.d.comb += release.eq(1)
            with m.Else():
                m.d.sync += sending.eq(1)
        with m.If(release):
            m.d.sync += outgoing.eq(~outgoing)
        for k in range(2):
            with m.If(good & (incoming == k)):
                m.d.sync += full[k].eq(1)
            with m.Elif(release & (outgoing == k)):
                m.d.sync += full[k].eq(0)
        return m


class Serialiser(wiring.Component):
    """The bytes of a response, as a frame without CRC.

    * `i`: headers; `words`: as many words a header as its count says. `o`: the frame.
    * Throughput: one byte per clock. Latency: `latency` clocks from a header to its first byte.
    """

    latency = 3

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(payloads.response())),
                "words": In(stream.Signature(32)),
                "o": Out(stream.Signature(payloads.token())),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header = Signal(payloads.response(), reset_less=True)
        left = Signal(payloads.COUNT, reset_less=True)
        next_word = Signal(32)
        next_valid = Signal()
        next_ready = Signal()
        ended = Signal()  # no word is left, the end of the frame is next
        end_taken = Signal()
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += header.eq(self.i.p)
                    m.next = "FIRST"
            with m.State("FIRST"):
                m.d.comb += next_valid.eq(1)
                m.d.comb += next_word.eq(
                    Cat(header.seq, header.op, C(ANSWER >> 7, 1), header.status)
                )
                m.d.sync += left.eq(header.count)
                with m.If(next_ready):
                    m.next = "SECOND"
            with m.State("SECOND"):
                m.d.comb += [next_valid.eq(1), next_word.eq(Cat(header.credit, header.count))]
                with m.If(next_ready):
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += [
                    ended.eq(left == 0),
                    next_word.eq(self.words.p),
                    next_valid.eq(self.words.valid & ~ended),
                    self.words.ready.eq(next_ready & ~ended),
                ]
                with m.If(next_valid & next_ready):
                    m.d.sync += left.eq(left - 1)
                with m.If(end_taken):
                    m.next = "IDLE"

        shift = Signal(32, reset_less=True)
        bytes_left = Signal(range(5))
        token = Signal(payloads.token(), reset_less=True)
        step = Signal()
        empty = Signal()
        m.d.comb += [
            step.eq(self.o.ready | ~self.o.valid),
            self.o.payload.eq(token),
            empty.eq(bytes_left == 0),
            next_ready.eq(empty | (step & (bytes_left == 1))),
            end_taken.eq(step & empty & ended),
        ]
        with m.If(step):
            m.d.sync += [
                self.o.valid.eq(~empty | ended),
                token.byte.eq(Mux(empty, 0, shift[:8])),
                token.end.eq(empty),
            ]
            with m.If(~empty):
                m.d.sync += [bytes_left.eq(bytes_left - 1), shift.eq(shift >> 8)]
        with m.If(next_ready & next_valid):
            m.d.sync += [bytes_left.eq(4), shift.eq(next_word)]
        return m
