"""Proof: a row store asks for nothing that is not loaded, loses no slot, and counts every symbol of
a row."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.deep_fifo import every, inside
from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.host_link.packet import WORD
from shotveil.models.node.spec import NodeSpec

CAPACITY = 8  # symbols; the longest row is as long
SLOTS = 4
SPEC = NodeSpec(
    drive=DriveSpec(row_capacity=4), digitiser=DigitiserSpec(row_capacity=512),
    capture=16, replay=16, store=CAPACITY,
)  # fmt: skip
PLACE = 3  # bits of a place
LENGTH = SPEC.drive.length_width  # bits of a row's length
INSIDE = inside("dut.queue", PLACE, SLOTS)
PEEKED = {
    **dict.fromkeys(("full", "came", "beyond", "room", "draining"), 1),
    "slot": PLACE,
    **dict.fromkeys(("end", "due"), LENGTH + 1),
}
PEEK = {
    **{name: f"dut.{name}" for name in PEEKED},
    "takes": "dut.queue.room",
    **{name: path for name, (_, path) in INSIDE.items()},
}


class RowStoreBench(wiring.Component):
    """Any host in front of it, and any memory behind it that gives what it is asked for."""

    def __init__(self, block: ModuleType):
        self.dut = block.RowStore(SPEC, SLOTS)
        ones = ("loads", "offers", "takes_symbol", "keeps", "accepts", "gives", "bad", "idle",
                "rewind", "forget", "flush", "clear", "takes")  # fmt: skip
        super().__init__(
            {
                **dict.fromkeys(ones, In(1)),
                "number": In(WORD),
                "row": In(len(self.dut.row)),
                "place": In(len(self.dut.place)),
                **{name: In(width) for name, width in PEEKED.items()},
                **{name: In(width) for name, (width, _) in INSIDE.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        memory: Any = dut.memory
        owed = Signal(len(self.due))  # symbols that the memory still has to give
        m.d.comb += [
            dut.i.valid.eq(self.loads),
            dut.slots.valid.eq(self.offers),
            dut.slots.p.eq(self.number),
            dut.o.ready.eq(self.takes_symbol),
            memory.keep.ready.eq(self.keeps),
            memory.piece.ready.eq(self.accepts),
            memory.symbol.valid.eq(self.gives & (owed != 0)),
            memory.symbol.p.bad.eq(self.bad),
            memory.idle.eq(self.idle),
            *(getattr(dut, name).eq(getattr(self, name))
              for name in ("row", "place", "rewind", "forget", "flush", "clear")),
            # Another host finds neither rows nor slots.
            Assume(~self.forget | self.flush),
            Assume((self.row >= 1) & (self.row <= CAPACITY)),
        ]  # fmt: skip
        # Settings stay as they are while slots wait.
        before, later = Signal.like(self.row), Signal()
        m.d.sync += [before.eq(self.row), later.eq(1)]
        m.d.comb += Assume(~later | (self.row == before))

        asked = memory.piece.valid & memory.piece.ready
        taken = memory.symbol.valid & memory.symbol.ready
        m.d.sync += owed.eq(owed + Mux(asked, memory.piece.p.count, 0) - taken)
        with m.If(memory.flush):
            m.d.sync += owed.eq(0)

        # What is asked for is loaded, whatever happened since its slot came.
        with m.If(memory.piece.valid):
            m.d.comb += [
                Assert(memory.piece.p.place + memory.piece.p.count <= dut.loaded),
                Assert(memory.piece.p.count == self.row),
            ]
        # Every symbol that was asked for is waited for, and none else is given.
        m.d.comb += [
            Assert(self.due == owed + Mux(memory.piece.valid, self.row, 0)),
            Assert(self.due <= 2 * self.row),
            Assert(~self.room | memory.piece.valid | (self.due <= self.row)),
        ]
        with m.If(dut.o.valid):
            m.d.comb += Assert((self.due != 0) & ~self.bad)
        # No slot is lost: the queue takes all that the store takes.
        m.d.comb += [Assert(self.takes), Assert(dut.waiting <= SLOTS)]

        # A number that no symbol has is refused.
        high, judged = Signal(), Signal()
        m.d.sync += [
            high.eq(self.offers & dut.slots.ready & (self.number >= CAPACITY)),
            judged.eq(self.came & high & ~self.flush),
        ]
        with m.If(judged):
            m.d.comb += Assert(dut.broken)

        # Inside.
        held = every(m, self, SLOTS, lambda word: word + self.row <= dut.loaded)
        m.d.comb += [
            Assert(dut.waiting == held + self.came),
            Assert(dut.loaded <= CAPACITY),
            Assert(self.full == (dut.loaded == CAPACITY)),
        ]
        with m.If(self.draining):
            m.d.comb += Assert(self.due == 0)
        with m.If(self.came):
            m.d.comb += [Assert(self.end == self.slot + self.row), Assert(self.beyond | ~high)]

        m.d.comb += [
            Cover((self.due == 2 * self.row) & (self.row > 1)),
            Cover((dut.waiting == SLOTS) & dut.refused),
            Cover(self.full & (self.row == CAPACITY) & dut.o.valid & dut.o.ready),
            Cover(dut.broken & ~dut.refused),
        ]
        return m


PROOF = Proof(
    block="shotveil.gateware.node.row_store",
    bench=RowStoreBench,
    depth=3,
    reach=20,
    peek=PEEK,
    bugs=(
        Bug("a row may end one symbol behind", "end <= self.loaded", "end <= self.loaded + 1"),
        Bug("the high bits of a slot are ignored", "~beyond & (end", "(end"),
        Bug("rows are forgotten while slots wait", "self.rewind & ~busy &", "self.rewind &"),
        Bug("rows are forgotten on their way", " | (due != 0)", ""),
        Bug("one symbol of a row is not waited for", "Mux(fetched, self.row, 0)",
            "Mux(fetched, self.row - 1, 0)"),
        Bug("more slots are taken than find room", "self.waiting != self._slots",
            "self.waiting != self._slots + 4"),
        Bug("a piece outlives a flush", "                memory.piece.valid.eq(0),\n", ""),
        Bug("more than two rows are on their way", "room.eq(due <= self.row)", "room.eq(1)"),
    ),
)  # fmt: skip
