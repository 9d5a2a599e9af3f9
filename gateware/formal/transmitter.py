"""Proof: a batch plays no symbol that waited before it, but those sent to it since the last end.

What waits is dropped when a batch ends, and between batches when `drop` says so: the host went, it
restarted, or it took `arm` back. So the buffer holds nothing when a batch begins but what its own
host sent to it. The framing is proved to give symbols in their order, and to drop all it has.
"""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.sequencer import BatchPhase

SPEC = DriveSpec(row_capacity=4, samples_per_symbol=2, taps=8)
BITS = 4  # of the count of symbols, more than can wait
LAYOUT = {"preamble": 4, "row": 1, "pilots": 0, "pilot_spacing": 1, "vacuum": 0, "guard": 1}
ASKED = ("arm", "start", "stop", "alive", "link_fault", "away", "drop", "hold", "triggered",
         "trigger")  # fmt: skip


class TransmitterBench(wiring.Component):
    """Symbols and orders come at any time; the bench counts the symbols that may be played."""

    def __init__(self, block: ModuleType):
        self.dut = block.BatchTransmitter(SPEC)
        # A batch ends at once behind its last frame, so that few steps reach the next one.
        self.dut._sequencer._drain = 1
        super().__init__(
            {
                "valid": In(1),
                **{name: In(1) for name in ASKED},
                "grant": In(3),
                "phase": In(3),
                "flush": In(1),
                "waiting": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        m.d.comb += [
            dut.i.valid.eq(self.valid),
            dut.watchdog.eq(1),
            *(getattr(dut, name).eq(getattr(self, name)) for name in (*ASKED, "grant")),
            *(getattr(dut, name).eq(value) for name, value in LAYOUT.items()),
            # The framing is proved to do so.
            Assume(~dut.taken | (dut.buffered != 0)),
            Assume(~(dut.taken | dut.started) | dut.on),
        ]
        # The symbols that wait are those that came since the last end of a batch, or since they
        # were dropped between two; none is kept that comes while `arm` is still high behind one.
        own, was_on, ended = Signal(BITS), Signal(), Signal()
        over = was_on & ~dut.on
        done = self.phase.matches(BatchPhase.RETURNING, BatchPhase.DONE, BatchPhase.STOPPED)
        m.d.sync += [was_on.eq(dut.on), ended.eq((over | done) & self.arm)]
        with m.If(over | ended | (self.drop & ~dut.on)):
            m.d.sync += own.eq(0)
        with m.Else():
            m.d.sync += own.eq(own + (dut.i.valid & dut.i.ready) - dut.taken)
        m.d.comb += [
            Assert((dut.buffered + self.waiting) == own),
            Assert(dut.buffered <= SPEC.row_capacity + 1),
            Assert(~dut.taken | (own != 0)),
        ]

        # Inside.
        on = self.phase.matches(BatchPhase.ON, BatchPhase.ENDING)
        m.d.comb += [
            Assert(dut.on == on),
            Assert(self.flush == (over | ended)),
            Assert(~ended | done | (self.phase == BatchPhase.OFF)),
        ]
        with m.If(over):
            m.d.comb += Assert(done)

        m.d.comb += [
            Cover(over & (own == 3)),
            Cover(self.drop & ~dut.on & ~ended & (own == 2)),
            Cover(dut.taken),
        ]
        return m


PROOF = Proof(
    block="shotveil.gateware.node.transmitter",
    bench=TransmitterBench,
    depth=4,
    reach=34,
    peek={
        "phase": "dut.sequencer.phase",
        "flush": "dut.sequencer.flush",
        "waiting": "dut.drive.rows.o__valid",
    },
    bugs=(
        Bug("what waits at a batch's end stays", "drive.flush.eq(sequencer.flush | (",
            "drive.flush.eq(("),
        Bug("what another host sent stays", " | (self.drop & ~sequencer.arm_drive)", ""),
        Bug("a batch's own rows are dropped", "(self.drop & ~sequencer.arm_drive)", "self.drop"),
    ),
)  # fmt: skip
