"""Proof: no row beyond the grant, one batch for each rise of `arm`, no frame after a halt, and no
batch before the light of the last one is back.

The drive is any that does what its framing is proved to do (`gateware.formal.framing`): a frame
starts only a clock after `run`, and `MARGIN` clocks or more after the one before.
"""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.models.node.sequencer import GRANT_BITS, LEAD_BITS, MARGIN, WATCHDOG_BITS, BatchPhase

DRAIN = 3
CAUSES = ("stop", "link_fault", "tripped", "starved")


class SequencerBench(wiring.Component):
    """Anything may be asked at any time; frames of a row are counted as the framing counts them."""

    def __init__(self, block: ModuleType):
        self.dut = block.Sequencer(DRAIN)
        super().__init__(
            {
                **{name: In(1) for name in ("start", "clear", "alive", "arm", *CAUSES)},
                "grant": In(GRANT_BITS),
                "lead_in": In(LEAD_BITS),
                "watchdog": In(WATCHDOG_BITS),
                "begin_frame": In(1),
                "busy": In(1),
                "away": In(1),
                "phase": In(3),
                "fresh": In(1),
                "lead": In(LEAD_BITS),
                "timer": In(range(DRAIN + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        ran, was_busy = Signal(), Signal()
        since = Signal(range(MARGIN + 1), init=MARGIN)  # clocks since a frame started
        m.d.sync += [ran.eq(dut.run), was_busy.eq(self.busy | dut.started)]
        m.d.comb += [
            *(
                getattr(dut, name).eq(getattr(self, name))
                for name in ("start", "clear", "alive", "arm", "grant", "lead_in", "watchdog",
                             "busy", "away", *CAUSES)
            ),
            dut.started.eq(self.begin_frame & ran & (since == MARGIN)),
        ]  # fmt: skip
        with m.If(dut.started):
            m.d.sync += since.eq(1)
        with m.Elif(since != MARGIN):
            m.d.sync += since.eq(since + 1)
        m.d.comb += Assume(~self.busy | was_busy)
        with m.If(since < MARGIN):
            m.d.comb += Assume(self.busy)

        # The number of rows granted, and the number of rows that left.
        begins = (self.phase == BatchPhase.OFF) & self.start & self.arm & self.fresh
        allowed, leading = Signal(GRANT_BITS), Signal(LEAD_BITS)
        rows, blanks = Signal(GRANT_BITS), Signal(LEAD_BITS)
        with m.If(begins):
            m.d.sync += [allowed.eq(self.grant), leading.eq(self.lead_in), rows.eq(0), blanks.eq(0)]
            m.d.comb += Assert(~dut.started)
        with m.Elif(dut.started & dut.blank):
            m.d.sync += blanks.eq(blanks + 1)
            m.d.comb += Assert(blanks < leading)
        with m.Elif(dut.started):
            m.d.sync += rows.eq(rows + 1)
            m.d.comb += [Assert(rows < allowed), Assert(blanks == leading)]

        # One batch for each rise of `arm`.
        spent = Signal()
        with m.If(~self.arm):
            m.d.sync += spent.eq(0)
        with m.Elif(begins):
            m.d.sync += spent.eq(1)
        with m.If(begins):
            m.d.comb += Assert(~spent)
        # No frame is asked for after a halt, nor without a batch.
        halted = Signal(init=1)
        with m.If(begins):
            m.d.sync += halted.eq(0)
        with m.Elif(self.stop | self.link_fault | self.tripped | self.starved | ~self.arm):
            m.d.sync += halted.eq(1)
        with m.If(halted):
            m.d.comb += Assert(~dut.run)
        # Frames that left are back before the next batch begins, whatever ended theirs.
        owed, waited = Signal(), Signal()
        with m.If(dut.started):
            m.d.sync += owed.eq(1)
        with m.Elif(dut.returning & ~self.away):
            m.d.sync += owed.eq(0)
        with m.If(dut.returning & self.away):
            m.d.sync += waited.eq(1)
        with m.If(begins):
            m.d.comb += Assert(~owed)
        # A frame on its way is never cut, but for the drive's own fault.
        with m.If(self.busy):
            m.d.comb += Assert(dut.arm_drive)
        rests = self.phase.matches(BatchPhase.OFF, BatchPhase.DONE, BatchPhase.STOPPED)
        with m.If(rests):
            m.d.comb += Assert(~owed)
        with m.If(rests | (self.phase == BatchPhase.RETURNING)):
            m.d.comb += [Assert(~dut.arm_drive), Assert(~dut.run), Assert(~ran), Assert(~self.busy)]
        # What waits is dropped where no frame can start.
        with m.If(dut.flush):
            m.d.comb += [Assert(~dut.arm_drive), Assert(~dut.run & ~ran & ~self.busy)]

        # Inside.
        counts = self.lead.any() | dut.left.any()
        m.d.comb += [
            Assert(self.phase <= BatchPhase.STOPPED),
            Assert((rows + dut.left)[:GRANT_BITS] == allowed),
            Assert(rows <= allowed),
            Assert((blanks + self.lead)[:LEAD_BITS] == leading),
            Assert(blanks <= leading),
            Assert(~self.lead.any() | (rows == 0)),
            Assert(~dut.run | (self.phase == BatchPhase.ON) | (self.phase == BatchPhase.ENDING)),
            Assert(self.timer <= DRAIN),
            Assert(dut.arm_drive == self.phase.matches(BatchPhase.ON, BatchPhase.ENDING)),
        ]
        on = self.phase == BatchPhase.ON
        with m.If(on):
            m.d.comb += [Assert(spent | ~self.fresh)]
        with m.If((self.phase == BatchPhase.OFF) & self.fresh & self.arm):
            m.d.comb += Assert(~spent)
        with m.If(dut.run):
            m.d.comb += [Assert(on), Assert(counts | (since <= 1))]
        with m.If(ran):
            m.d.comb += Assert(counts | (since <= 2))
            m.d.comb += Assert((dut.blank == self.lead.any()) | (since <= 1))
        with m.If(was_busy):
            m.d.comb += Assert(dut.arm_drive)

        m.d.comb += [
            Cover((rows == 2) & (leading == 1) & (self.phase == BatchPhase.DONE) & (allowed == 2)),
            Cover((rows == 1) & (allowed == 9) & (self.phase == BatchPhase.STOPPED)),
            Cover(halted & dut.started & (rows == 1)),
            Cover(waited & begins),
        ]
        return m


PROOF = Proof(
    block="shotveil.gateware.node.sequencer",
    bench=SequencerBench,
    depth=9,
    reach=40,
    peek={name: f"dut.{name}" for name in ("phase", "fresh", "lead", "timer")},
    bugs=(
        Bug(
            "the grant counts to one too many",
            "counts.eq(lead.any() | self.left.any())",
            "counts.eq(lead.any() | self.left.any() | on)",
        ),
        Bug("blank frames are not told from rows", "self.blank.eq(lead.any())", "self.blank.eq(0)"),
        Bug(
            "a batch may begin again without a new rise of `arm`", "self.arm & fresh)", "self.arm)"
        ),
        Bug(
            "a halted batch does not wait for its light",
            "m.If(~self.away)",
            "m.If(~self.away | halted)",
        ),
        Bug("a halt lets frames go on", "on & counts & ~halt", "on & counts"),
        Bug(
            "what waits is dropped while a frame may start",
            "self.flush.eq(ends | (over & self.arm))",
            "self.flush.eq(halt | ends | (over & self.arm))",
        ),
        Bug(
            "a frame is cut by a halt",
            "halted.eq(1)",
            "[halted.eq(1), self.arm_drive.eq(0)]",
        ),
    ),
)
