"""Proof: the symbols that the receiver gets for a frame are those that were sent in that frame.

Receiver and replay agree on which frames came back, and each row is read or dropped whole and in
its turn, so no loss shifts the rows behind it. The FIFO of departures is proved in `memory`. Here
it and that of the verdicts have room. While `away` is low, no frame is on its way, and the receiver
has had its time for the last row; the sequencer is proved to begin no batch before.
"""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Array, Assert, Assume, Cover, Module, Mux, ResetSignal, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.spec import NodeSpec

DEPTH = 8  # symbols that are kept
SPEC = NodeSpec(drive=DriveSpec(row_capacity=4), replay=DEPTH)
TIME = 5  # bits of times
NUMBER = 5  # bits of the numbers of symbols, more than can be kept
PERIOD, DUE = 8, 6  # clocks of a frame, and from its departure until the receiver has it
SUMMED = 1  # clocks that the receiver has for a row, besides its period
QUIET = 3  # clocks around a batch's beginning
APART = 6  # clocks between two frames; they are far longer
LEVEL = DEPTH.bit_length() + 2
# Registers of the block that the bench sees.
INSIDE = {
    "now": TIME, "done": 1, "into": 3, "out": 3, "going": 1, "some": 1, "fetched": 1, "vacant": 1,
    "drop": 1, "put": 1, "rest": 22, "fetch": 1, "left": SPEC.drive.length_width, "kept": 32,
}  # fmt: skip


class ReplayBench(wiring.Component):
    """Numbers the symbols; frames leave and come back, or do not, whenever they may."""

    def __init__(self, block: ModuleType):
        self.dut = block.Replay(SPEC, TIME)
        super().__init__(
            {
                **{name: In(1) for name in ("begin", "taken", "sent", "received", "ready")},
                "lead_in": In(2),
                "row": In(2),
                **{f"in_{name}": In(width) for name, width in INSIDE.items()},
                "in_level": In(signed(LEVEL)),
                "first_time": In(TIME + 1),
                "times_ready": In(1),
                "times_room": In(1),
                "near_level": In(3),
                "near_produce": In(2),
                "near_consume": In(2),
                "verdict_taken": In(1),
                "verdict_put": In(1),
                "verdict_given": In(1),
                "verdict_room": In(1),
                **{f"in_symbol_{n}": In(32) for n in range(DEPTH)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        sent, base, row = Signal(NUMBER), Signal(NUMBER), Signal(2, init=1)
        m.d.comb += [
            Assume(~ResetSignal()),  # memories have none
            dut.begin.eq(self.begin),
            dut.lead_in.eq(self.lead_in),
            dut.row.eq(row),
            dut.period.eq(PERIOD),
            dut.taken.eq(self.taken),
            dut.symbol.i.eq(sent),
            dut.sent.eq(self.sent),
            dut.received.eq(self.received),
            dut.q.ready.eq(self.ready),
        ]
        # Nothing moves around the beginning of a batch, from which on settings stay as they are.
        still, quiet, drops = Signal(2), Signal(range(QUIET + 1)), Signal()
        moves = self.taken | self.sent | self.received
        m.d.sync += drops.eq(self.begin)
        with m.If(moves):
            m.d.sync += quiet.eq(0)
        with m.Elif(quiet != QUIET):
            m.d.sync += quiet.eq(quiet + 1)
        with m.If(self.begin):
            m.d.sync += still.eq(QUIET)
            m.d.comb += [Assume(quiet == QUIET), Assume(~moves), Assume(~dut.away)]
        with m.Elif(still != 0):
            m.d.sync += still.eq(still - 1)
            m.d.comb += Assume(~moves)
        with m.If(drops):
            m.d.sync += row.eq(self.row)
            m.d.comb += Assume(self.row != 0)

        # Frames are apart. One leaves when the row of the one before has been taken, and a row is
        # taken where there is room.
        for name in ("sent", "received"):
            apart = Signal(range(APART + 1), init=APART, name=f"apart_{name}")
            with m.If(getattr(self, name)):
                m.d.sync += apart.eq(1)
                m.d.comb += Assume(apart == APART)
            with m.Elif(apart != APART):
                m.d.sync += apart.eq(apart + 1)
        m.d.comb += [
            Assume(~self.sent | self.times_room),
            Assume(~self.verdict_put | self.verdict_room),
            Assume(~self.taken | (self.in_level + self.in_put + 1 <= DEPTH)),
        ]
        # No row is dropped before the one in front of it was stored.
        m.d.comb += Assume(self.in_level >= -4)

        skipped = Signal(init=1)  # what the receiver saw
        m.d.sync += skipped.eq(dut.skip)
        takes = self.received & ~skipped
        # Both agree: a row is kept for each frame that the receiver takes, and for no other.
        m.d.comb += Assert(takes == (self.verdict_put & self.verdict_given))
        # And it is the row that left so long ago.
        age = Signal(TIME)
        m.d.comb += age.eq(self.in_now - (self.first_time >> 1) - 3)
        with m.If(takes):
            m.d.comb += [
                Assert(self.times_ready & self.in_done),
                Assert(~self.first_time[0]),
                Assert((age >= DUE - PERIOD // 2) & (age < DUE + PERIOD // 2)),
            ]

        # A row may still be summed so long after the receiver took its frame.
        since = Signal(range(PERIOD + SUMMED + 1), init=PERIOD + SUMMED)
        with m.If(takes):
            m.d.sync += since.eq(0)
        with m.Elif(since != PERIOD + SUMMED):
            m.d.sync += since.eq(since + 1)
        left, lately = Signal(), Signal()
        rest = self.in_rest.as_signed()
        m.d.sync += [left.eq(self.sent), lately.eq(self.times_ready | (rest >= 0))]
        with m.If(~dut.away):
            m.d.comb += [Assert(~self.times_ready | left), Assert(since == PERIOD + SUMMED)]
        m.d.comb += [
            Assert(dut.away == lately),
            Assert((rest >= -1) & (rest <= PERIOD + SUMMED)),
            Assert(rest + since >= PERIOD + SUMMED - 1),
            Assert(~left | (rest >= 0)),
        ]

        # Rows are read or dropped whole, each in its turn. `base` is the first symbol of the next.
        with m.If(drops):
            m.d.sync += [sent.eq(0), base.eq(0)]
        with m.Else():
            m.d.sync += [
                sent.eq(sent + self.taken),
                base.eq(base + Mux(self.verdict_taken, row, 0)),
            ]
        at = Signal(NUMBER)  # the number of the symbol that is fetched next
        m.d.comb += at.eq(base - Mux(self.in_going, self.in_left, 0) - Mux(self.in_drop, row, 0))
        stored = Signal(NUMBER)
        m.d.comb += stored.eq(sent - self.in_put)
        # What was fetched, and what is offered.
        fetched, offered = Signal(NUMBER), Signal(NUMBER)
        with m.If(self.in_fetch):
            m.d.sync += fetched.eq(at)
            m.d.comb += Assert(self.in_going)
        with m.If(self.in_vacant):
            m.d.sync += offered.eq(fetched)
        with m.If(dut.q.valid):
            m.d.comb += Assert(dut.q.p.x.as_unsigned()[:NUMBER] == offered)

        self._inside(m, row, at, stored)
        dropped = Signal()
        with m.If(self.in_drop):
            m.d.sync += dropped.eq(1)
        m.d.comb += [
            Cover(dropped & dut.q.valid & (row == 2)),
            Cover(takes & (sent == 3)),
            Cover(~dut.away & (since == PERIOD + SUMMED) & (base != 0)),
            Cover(self.in_done & self.first_time[0]),
        ]
        return m

    def _inside(self, m: Module, row: Signal, at: Signal, stored: Signal) -> None:
        """What holds of the registers inside; it makes the rest inductive."""
        m.d.comb += [
            Assert(row != 0),
            Assert(self.in_into == stored[:3]),
            Assert(self.in_out == at[:3]),
            Assert(self.in_level == (stored - at)[:NUMBER].as_signed()),
            Assert(self.in_level <= DEPTH),
            Assert(~self.in_drop | ~self.in_going),
            Assert(~self.in_going | (self.in_left != 0)),
            Assert(~self.in_going | (self.in_left <= row)),
            Assert(~self.in_fetched | self.in_vacant),
        ]
        m.d.comb += [
            Assert(self.near_produce == (self.near_consume + self.near_level)[:2]),
            Assert(self.near_level <= 4),
            Assert(self.times_ready == (self.near_level != 0)),
        ]
        with m.If(self.in_some & self.in_going & ~self.in_fetched):
            m.d.comb += Assert(self.in_level > 0)
        with m.If(self.in_put):
            m.d.comb += Assert(self.in_kept[:NUMBER] == stored)
        symbols = Array(getattr(self, f"in_symbol_{n}") for n in range(DEPTH))
        for back in range(1, DEPTH + 1):
            number = Signal(NUMBER, name=f"number_{back}")
            m.d.comb += number.eq(stored - back)
            with m.If(self.in_level >= back):
                m.d.comb += Assert(symbols[number[:3]][:NUMBER] == number)


PROOF = Proof(
    block="shotveil.gateware.node.replay",
    bench=ReplayBench,
    depth=7,
    reach=40,
    smaller={"FLIGHTS": 4, "WAITING": 4, "SUMMED": SUMMED, "latency": lambda spec: DUE},
    peek={
        **{f"in_{name}": f"dut.{name}" for name in (*INSIDE, "level")},
        "first_time": "dut.times.r_data",
        "times_ready": "dut.times.r_rdy",
        "times_room": "dut.times.w_rdy",
        **{f"near_{n}": f"dut.times.near.{n}" for n in ("level", "produce", "consume")},
        "verdict_taken": "dut.verdicts.r_en",
        "verdict_put": "dut.verdicts.w_en",
        "verdict_given": "dut.verdicts.w_data",
        "verdict_room": "dut.verdicts.w_rdy",
        **{f"in_symbol_{n}": f"dut.memory[{n}]" for n in range(DEPTH)},
    },
    bugs=(
        Bug("receiver and replay part at the edges of the window", "was_due.eq(due)",
            "was_due.eq(1)"),
        Bug("the rows of the lead-in are kept", "verdicts.w_en.eq(done & ~blank)",
            "verdicts.w_en.eq(done)"),
        Bug("a dropped row stays in front", "out.eq(out + self.row)", "out.eq(out)"),
        Bug("a dropped row is still counted", "fetch - Mux(drop, self.row, 0)", "fetch"),
        Bug("symbols are read before they are there", "some.eq(level > (fetch if fast else 0))",
            "some.eq(1)"),
        Bug("the last row has no time to be summed", "m.If(self.sent | done)", "m.If(self.sent)"),
        Bug("frames on their way are not seen", "away.eq(times.r_rdy | (rest >= 0))",
            "away.eq(rest >= 0)"),
        Bug("one symbol of each row is left", "going.eq(left != 1)", "going.eq(left > 2)"),
    ),
)  # fmt: skip
