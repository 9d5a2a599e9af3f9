"""Proof: a swap sends each sum once, as a snapshot that later additions do not change.

The reference adds where the bank writes, so each sum in memory equals one of the reference at all
times. Clearing at start (`wipe`) is left to tests.
"""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Array, Assert, Assume, Cat, Cover, Module, ResetSignal, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.digitiser.sum_bank import SUM_BITS, Dump
from shotveil.gateware.formal.proof import Bug, Proof

WORDS, TURNS = 1, 2  # with the fewest turns, a place returns in all the ways there are
PLACES = WORDS * TURNS
VALUE = 3
DELAY = 5  # clocks from a value to its sum at the memory
QUIET = 6  # clocks without additions before a swap
HIDDEN = 5  # the most clocks, while sums are sent, in which none is offered


class SumBankBench(wiring.Component):
    """Adds anything anywhere, and swaps whenever no addition is under way."""

    def __init__(self, block: ModuleType):
        self.dut = block.SumBank(WORDS, 1, VALUE, TURNS)
        super().__init__(
            {
                "add": In(1),
                "place": In(range(PLACES)),
                "value": In(signed(VALUE)),
                "swap": In(1),
                "ready": In(1),
                "bank": In(1),
                "state": In(Dump),
                "at": In(range(PLACES)),
                "lane": In(1),
                "sums_0": In(1),
                "sums_1": In(1),
                **{f"bank_{b}_{p}": In(SUM_BITS) for b in range(2) for p in range(PLACES)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        m.d.comb += [
            dut.add.eq(self.add),
            dut.place.eq(self.place),
            dut.value_0.eq(self.value),
            dut.swap.eq(self.swap),
            dut.o.ready.eq(self.ready),
        ]
        m.d.comb += Assume(~ResetSignal())  # memories have none
        # What was added in the last clocks, the latest first.
        added = [Signal(name=f"added_{n}") for n in range(DELAY)]
        places = [Signal.like(self.place, name=f"place_{n}") for n in range(DELAY)]
        values = [Signal.like(self.value, name=f"value_{n}") for n in range(DELAY)]
        for now, line in ((self.add, added), (self.place, places), (self.value, values)):
            m.d.sync += [a.eq(b) for a, b in zip(line, [now, *line], strict=False)]
        for n in range(TURNS - 1):
            m.d.comb += Assume(~(self.add & added[n] & (self.place == places[n])))
        quiet = Signal(range(QUIET + 1))
        with m.If(self.add):
            m.d.sync += quiet.eq(0)
        with m.Elif(quiet != QUIET):
            m.d.sync += quiet.eq(quiet + 1)
        with m.If(self.swap):
            m.d.comb += [Assume(quiet == QUIET), Assume(~self.add)]
        with m.If(quiet == QUIET):
            m.d.comb += Assert(~Cat(added).any())

        sums = Array(Signal(SUM_BITS, name=f"sum_{p}") for p in range(PLACES))
        kept = Array(Signal(SUM_BITS, name=f"kept_{p}") for p in range(PLACES))
        sending, place = Signal(), Signal(range(PLACES))
        taken = dut.o.valid & dut.o.ready
        with m.If(added[-1]):
            m.d.sync += sums[places[-1]].eq(sums[places[-1]] + values[-1])
        with m.If(self.swap & ~sending):
            m.d.sync += [kept[p].eq(sums[p]) for p in range(PLACES)]
            m.d.sync += [*(sums[p].eq(0) for p in range(PLACES)), sending.eq(1), place.eq(0)]
        with m.If(taken):
            m.d.sync += place.eq(place + 1)
            with m.If(place == PLACES - 1):
                m.d.sync += sending.eq(0)
        late = Signal()
        m.d.sync += late.eq(self.swap & sending)
        m.d.comb += Assert(dut.late == late)
        with m.If(dut.o.valid):
            m.d.comb += [Assert(sending), Assert(dut.o.p.as_unsigned() == kept[place])]
        hidden = Signal(range(HIDDEN + 1))
        m.d.sync += hidden.eq(0)
        with m.If(sending & ~dut.o.valid):
            m.d.sync += hidden.eq(hidden + 1)
        m.d.comb += Assert(hidden < HIDDEN)

        self._inside(m, sums, kept, sending, place, hidden)

        m.d.comb += [
            Cover(taken & (place == 1) & (kept[1] == 6) & (sums[0] == 3)),
            Cover(late & (kept[1] == 1) & (sums[1] == 2)),
            Cover(~sending & (kept[0] == 9)),
        ]
        return m

    def _inside(
        self, m: Module, sums: Array, kept: Array, sending: Signal, place: Signal, hidden: Signal
    ) -> None:
        """What holds of the memories and the state; it makes the rest inductive."""
        m.d.comb += [
            Assert(Cat(self.sums_0, self.sums_1) == (1 << self.bank)),
            Assert(self.lane == 0),
            Assert(sending == (self.state != Dump.IDLE)),
        ]
        waits = {Dump.BEGIN: 0, Dump.READ: 1, Dump.FETCH: 2, Dump.LATCH: 3}
        with m.If(sending):
            m.d.comb += Assert(self.at == place)
            for state, clocks in waits.items():
                with m.If(self.state == state):
                    m.d.comb += Assert(hidden <= clocks)
        for b in range(2):
            for p in range(PLACES):
                word = getattr(self, f"bank_{b}_{p}")
                with m.If(self.bank == b):
                    m.d.comb += Assert(word == sums[p])
                # A sum that was read is cleared.
                gone = (place > p) | ((place == p) & (self.state == Dump.SEND))
                with m.Elif(~sending | gone):
                    m.d.comb += Assert(word == 0)
                with m.Else():
                    m.d.comb += Assert(word == kept[p])


PROOF = Proof(
    block="shotveil.gateware.digitiser.sum_bank",
    bench=SumBankBench,
    depth=8,
    reach=34,
    peek={
        **{name: f"dut.{name}" for name in ("bank", "state", "at", "lane", "sums_0", "sums_1")},
        **{f"bank_{b}_{p}": f"dut.memory_0_{b}[{p}]" for b in range(2) for p in range(PLACES)},
    },
    bugs=(
        Bug(
            "sums that are being sent are exchanged",
            "turned = bank ^ (self.swap & (state == Dump.IDLE))",
            "turned = bank ^ self.swap",
        ),
        Bug("what was sent is not cleared", "clear.eq(state == Dump.FETCH)", "clear.eq(0)"),
        Bug(
            "a place that returns soon loses a value",
            "range(4, self._turns - 1, -1)",
            "range(4, self._turns, -1)",
        ),
        Bug("a swap that comes too early is not told", "(state != Dump.IDLE)", "0"),
        Bug("the last sum is not sent", "with m.If(at == places - 1):", "with m.If(at == 0):"),
        Bug(
            "the bank that takes sums is sent",
            "sent.eq(Mux(bank, data[0], data[1]))",
            "sent.eq(Mux(bank, data[1], data[0]))",
        ),
    ),
)
