"""Proof: no port ever overflows, and a host that respects the limit it was told finds room.

Rooms fall where a port closes: a table may not change while light is on, or the receiver restarts.
A host that was told of more room then is refused, and the refusal tells it what room there is.
"""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Array, Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.gateware.host_link.credits import LIMIT_BITS
from shotveil.models.host_link.packet import MAX_WORDS

PORTS = 2
CAPACITY = 300  # words of each FIFO; a few requests fill it, as it holds little more than one


class CreditsBench(wiring.Component):
    """Requests at any time, two clocks each; words leave the FIFOs at any pace; ports close."""

    def __init__(self, block: ModuleType):
        self.dut = block.Credits(PORTS)
        super().__init__(
            {
                "ask": In(1),
                "port": In(range(PORTS)),
                "count": In(range(MAX_WORDS + 1)),
                "leave": In(PORTS),
                "closed": In(PORTS),
                "clear": In(1),
                **{f"sent_{n}": In(LIMIT_BITS) for n in range(PORTS)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        levels = Array(Signal(range(CAPACITY + 1), name=f"level_{n}") for n in range(PORTS))
        # The host knows the number of words that it sent, and the last limit it was told.
        sent = Array(Signal(LIMIT_BITS, name=f"host_sent_{n}") for n in range(PORTS))
        told = Array(Signal(LIMIT_BITS, name=f"told_{n}") for n in range(PORTS))

        asked = Signal()
        port, count = Signal.like(self.port), Signal.like(self.count)
        room = Signal(LIMIT_BITS)
        allowance, kept = Signal(LIMIT_BITS), Signal()
        # Whether the port was closed when it was asked, so that its room was none.
        fell = Signal()
        m.d.comb += [
            dut.port.eq(port),
            dut.count.eq(count),
            dut.room.eq(room),
            Assume(self.count <= MAX_WORDS),
            Assume(self.port < PORTS),
        ]
        decided = Signal()
        closed = self.closed.bit_select(self.port, 1)
        with m.If(~asked & ~decided & self.ask & ~self.clear):
            m.d.sync += [
                asked.eq(1),
                port.eq(self.port),
                count.eq(self.count),
                room.eq(Mux(closed, 0, CAPACITY - levels[self.port])),
                fell.eq(closed),
            ]
            m.d.comb += allowance.eq(told[self.port] - sent[self.port])
            m.d.sync += kept.eq(self.count <= allowance)
        with m.If(asked):
            m.d.sync += [asked.eq(0), decided.eq(1)]
        m.d.comb += [dut.take.eq(decided & dut.fits), dut.clear.eq(self.clear)]
        drained = [Signal(name=f"drained_{n}") for n in range(PORTS)]
        for n in range(PORTS):
            m.d.comb += drained[n].eq(self.leave[n] & (levels[n] != 0))
            m.d.sync += levels[n].eq(levels[n] - drained[n])
        with m.If(decided):
            m.d.sync += [decided.eq(0), told[port].eq(dut.limit)]
            with m.If(kept & ~fell):
                m.d.comb += Assert(dut.fits)
            with m.If(fell):  # whatever it was told before
                m.d.comb += [Assert(~dut.fits | (count == 0)), Assert(dut.limit == sent[port])]
            with m.If(dut.fits):
                m.d.comb += Assert(levels[port] + count <= CAPACITY)
                m.d.sync += sent[port].eq(sent[port] + count)
                for n in range(PORTS):
                    with m.If(port == n):
                        m.d.sync += levels[n].eq(levels[n] + count - drained[n])
            # The limit is what was sent before and what there is room for.
            m.d.comb += Assert((dut.limit - sent[port])[:LIMIT_BITS] == room)
        # In a new session no word was sent and no limit is known. FIFOs may still hold old words.
        with m.If(self.clear):
            m.d.sync += [asked.eq(0), decided.eq(0)]
            m.d.sync += [value.eq(0) for value in (*sent, *told)]

        # Inside.
        for n in range(PORTS):
            space = CAPACITY - levels[n]
            credit = Signal(LIMIT_BITS, name=f"credit_{n}")
            m.d.comb += [
                credit.eq(told[n] - sent[n]),
                Assert(levels[n] <= CAPACITY),
                Assert(credit <= space),
                Assert(getattr(self, f"sent_{n}") == sent[n]),
            ]
            with m.If((asked | decided) & (port == n)):
                m.d.comb += [Assert(room <= space), Assert(count <= MAX_WORDS)]
                m.d.comb += Assert(~fell | (room == 0))
                m.d.comb += Assert(kept == (count <= credit))
        m.d.comb += [Assert(port < PORTS), Assert(~(asked & decided))]
        with m.If(decided):
            m.d.comb += Assert(dut.fits == (count <= room))

        reopened = Signal()  # a port refused words for which the host had been told of room
        with m.If(decided & kept & ~dut.fits):
            m.d.sync += reopened.eq(1)
        m.d.comb += [
            Cover(decided & ~dut.fits & (count == MAX_WORDS)),
            Cover(decided & kept & (count > 40) & (levels[1] > 200)),
            Cover(decided & kept & fell & (count == 100) & ~dut.fits),
            Cover(reopened & decided & dut.fits & (count == 100)),
        ]
        return m


PROOF = Proof(
    block="shotveil.gateware.host_link.credits",
    bench=CreditsBench,
    depth=3,
    reach=12,
    peek={f"sent_{n}": f"dut.sent_{n}" for n in range(PORTS)},
    bugs=(
        Bug("one word too many fits", "self.count <= self.room", "self.count <= self.room + 1"),
        Bug(
            "words fit that a port that closed had room for",
            "self.count <= self.room",
            "(self.count <= self.room) | (sent[self.port] + self.count == self.limit)",
        ),
        Bug(
            "the limit of another port is told",
            "sent[self.port] + self.room",
            "sent[0] + self.room",
        ),
        Bug("refused words are counted", "with m.Elif(self.take):", "with m.Elif(self.fits):"),
    ),
)
