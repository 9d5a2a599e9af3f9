"""Proof: a host that respects any limit it was told finds room, and no port ever overflows."""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Array, Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.gateware.host_link.credits import LIMIT_BITS
from shotveil.models.host_link.packet import MAX_WORDS

PORTS = 2
CAPACITY = 300  # words of each FIFO; a few requests fill it, as it holds little more than one


class CreditsBench(wiring.Component):
    """Requests at any time, two clocks each; words leave the FIFOs at any pace."""

    def __init__(self, block: ModuleType):
        self.dut = block.Credits(PORTS)
        super().__init__(
            {
                "ask": In(1),
                "port": In(range(PORTS)),
                "count": In(range(MAX_WORDS + 1)),
                "leave": In(PORTS),
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
        m.d.comb += [
            dut.port.eq(port),
            dut.count.eq(count),
            dut.room.eq(room),
            Assume(self.count <= MAX_WORDS),
            Assume(self.port < PORTS),
        ]
        decided = Signal()
        with m.If(~asked & ~decided & self.ask & ~self.clear):
            m.d.sync += [
                asked.eq(1),
                port.eq(self.port),
                count.eq(self.count),
                room.eq(CAPACITY - levels[self.port]),
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
            with m.If(kept):
                m.d.comb += Assert(dut.fits)
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
                m.d.comb += Assert(kept == (count <= credit))
        m.d.comb += [Assert(port < PORTS), Assert(~(asked & decided))]
        with m.If(decided):
            m.d.comb += Assert(dut.fits == (count <= room))

        m.d.comb += [
            Cover(decided & ~dut.fits & (count == MAX_WORDS)),
            Cover(decided & kept & (count > 40) & (levels[1] > 200)),
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
            "the limit of another port is told",
            "sent[self.port] + self.room",
            "sent[0] + self.room",
        ),
        Bug("refused words are counted", "with m.Elif(self.take):", "with m.Elif(self.fits):"),
    ),
)
