"""Proof: a deep FIFO gives every word once and in order, has the room that it reports, and shows a
word within a few clocks after it was written."""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Assert, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.deep_fifo import NEAR, follow, inside
from shotveil.gateware.formal.proof import Bug, Proof

DEPTH = 4
COUNT = 4  # bits of the numbers that the words are, more than can wait
LATENCY = 5  # clocks from a write until the word can be read
INSIDE = inside("dut", COUNT, DEPTH)


class DeepFifoBench(wiring.Component):
    """Numbers the words, and follows them through the FIFO."""

    def __init__(self, block: ModuleType):
        self.dut = block.DeepFifo(width=COUNT, depth=DEPTH)
        super().__init__(
            {"write": In(1), "read": In(1), **{n: In(width) for n, (width, _) in INSIDE.items()}}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        sent, taken = Signal(COUNT), Signal(COUNT)
        put = self.write & dut.w_rdy
        take = self.read & dut.r_rdy
        m.d.comb += [
            dut.w_en.eq(self.write),
            dut.w_data.eq(sent),
            dut.r_en.eq(self.read),
        ]
        m.d.sync += [sent.eq(sent + put), taken.eq(taken + take)]
        waiting = Signal(COUNT)
        m.d.comb += waiting.eq(sent - taken)

        with m.If(take):
            m.d.comb += Assert(dut.r_data == taken)
        m.d.comb += [
            Assert(dut.level == (waiting - self.writing)[:COUNT]),
            Assert(waiting <= DEPTH + NEAR),
            Assert(dut.w_rdy | (waiting >= DEPTH)),
        ]
        # What waits can be read soon.
        hidden = Signal(range(LATENCY + 1))
        dry = (waiting != 0) & ~dut.r_rdy
        m.d.sync += hidden.eq(Mux(dry, hidden + 1, 0))
        m.d.comb += Assert(hidden < LATENCY)

        m.d.comb += [
            Assert(waiting == follow(m, self, DEPTH, taken)),
            Assert(self.inside + self.writing <= DEPTH),
        ]

        full, again = Signal(), Signal()
        with m.If(~dut.w_rdy):
            m.d.sync += full.eq(1)
        with m.If(full & (waiting == 0)):
            m.d.sync += again.eq(1)
        m.d.comb += [Cover(waiting == DEPTH + NEAR), Cover(again & take), Cover(put & take)]
        return m


PROOF = Proof(
    block="shotveil.gateware.primitives.memory",
    bench=DeepFifoBench,
    depth=LATENCY + 1,
    reach=30,
    peek={name: path for name, (_, path) in INSIDE.items()},
    bugs=(
        Bug("too many words are sent for", "claimed != self.NEAR", "claimed <= self.NEAR"),
        Bug("a word is written where there is no room", "writing.eq(self.w_en & room)",
            "writing.eq(self.w_en)"),
        Bug("room is known too late", "inside < self.depth - 2", "inside < self.depth - 1"),
        Bug("the last word far away is sent for twice", "((inside == 1) & ~send)", "(inside == 1)"),
        Bug("the last word far away is forgotten", " | ((inside == 1) & ~send)", ""),
        Bug("what is far is not sent for", "send.eq(some & (claimed != self.NEAR))",
            "send.eq(some & (claimed != self.NEAR) & ~coming.any())"),
        Bug("a word never comes", "send.eq(some &", "send.eq(some & (inside > 1) &"),
    ),
)  # fmt: skip
