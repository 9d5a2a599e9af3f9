"""Proof: while a batch is on, its settings are those with which it began, and each attempt shows.

The register bank and the sequencer are joined as in the node, whose `locked` is a clock late. So
this rests on a second promise: the link writes the words of a request to rising addresses, and
leaves some clocks between two requests.
"""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Assert, Assume, Cover, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.gateware.node.sequencer import Sequencer
from shotveil.models.host_link.packet import WORD
from shotveil.models.node.register import Access, Register, RegisterMap
from shotveil.models.node.sequencer import BatchPhase

GAP = 4  # clocks between the writes of two requests; the endpoint takes more
ADDRESS_BITS = 3
# As in the node, `commit` comes before `start`: one request cannot start a batch and then commit.
MAP = RegisterMap(
    (
        Register("commit", 1, Access.STROBE, "apply what is staged"),
        Register("start", 1, Access.STROBE, "begin a batch"),
        Register("arm", 1, Access.SETTING, "a live setting", live=True),
        Register("narrow", 3, Access.SETTING, "one word", reset=5),
        Register("wide", 40, Access.SETTING, "two words"),
        Register("shown", 3, Access.STATUS, "a status"),
    )
)
LATCHED = [name for name, register in MAP.of(Access.SETTING).items() if not register.live]


class SettingsBench(wiring.Component):
    """A host writes whatever it likes, as fast as the link can; batches end at any time."""

    def __init__(self, block: ModuleType):
        self.dut = block.RegisterBank(MAP)
        super().__init__(
            {
                "address": In(ADDRESS_BITS),
                "data": In(WORD),
                "write": In(1),
                "halt": In(1),
                "busy": In(1),
                "away": In(1),
                "started": In(1),
                "in_touched": In(1),
                "in_changed": In(1),
                "phase": In(3),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        m.submodules.sequencer = sequencer = Sequencer(1)
        on, locked = sequencer.arm_drive | sequencer.returning, Signal()
        m.d.sync += locked.eq(on)
        m.d.comb += [
            dut.bus.address.eq(self.address),
            dut.bus.w_data.eq(self.data),
            dut.bus.w_strobe.eq(self.write),
            dut.locked.eq(locked),
            sequencer.arm.eq(dut.settings["arm"]),
            sequencer.start.eq(dut.strobes["start"]),
            sequencer.grant.eq(1),
            sequencer.stop.eq(self.halt),
            sequencer.busy.eq(self.busy),
            sequencer.away.eq(self.away),
            sequencer.started.eq(self.started),
        ]
        before, since = Signal(ADDRESS_BITS), Signal(range(GAP + 1), init=GAP)
        with m.If(since != GAP):
            m.d.sync += since.eq(since + 1)
        with m.If(self.write):
            m.d.sync += [before.eq(self.address), since.eq(0)]
            m.d.comb += Assume((self.address > before) | (since == GAP))

        first = {name: Signal.like(dut.settings[name], name=f"first_{name}") for name in LATCHED}
        changed = Signal()
        for name, value in first.items():
            setting = dut.settings[name]
            with m.If(~on):
                m.d.sync += value.eq(setting)
            with m.Else():
                m.d.comb += Assert(setting == value)

        # Whether a setting was written since the last commit that took effect; a commit in a batch
        # is told then. All of this is two clocks behind the bus.
        places = [MAP.address(name) + k for name in LATCHED for k in range(MAP[name].words)]
        written, commits = Signal(2), Signal(2)
        lately: Value = self.write & self.address.matches(*places)
        m.d.sync += [
            written.eq(written << 1 | lately),
            commits.eq(commits << 1 | (self.write & (self.address == MAP.address("commit")))),
        ]
        told = Signal()
        m.d.sync += [
            changed.eq(written[1] | (changed & ~(commits[1] & ~locked))),
            told.eq(commits[1] & locked & changed),
        ]
        m.d.comb += [
            Assert(dut.held == told),
            Assert(self.in_touched == written[1]),
            Assert(self.in_changed == changed),
            Assert(sequencer.arm_drive == self.phase.matches(BatchPhase.ON, BatchPhase.ENDING)),
        ]

        again = Signal()
        with m.If(told):
            m.d.sync += again.eq(1)
        m.d.comb += [
            Cover(on & dut.strobes["commit"] & (dut.settings["narrow"] == 2)),
            Cover(again & ~on & (dut.settings["narrow"] == 3)),
            Cover(on & locked & dut.strobes["commit"] & ~told),
        ]
        return m


PROOF = Proof(
    block="shotveil.gateware.node.register_bank",
    bench=SettingsBench,
    depth=6,
    reach=22,
    peek={
        "in_touched": "dut.touched", "in_changed": "dut.changed", "phase": "sequencer.phase",
    },
    bugs=(
        Bug("a commit acts during a batch", "takes.eq(decoded[\"commit\"] & ~self.locked)",
            "takes.eq(decoded[\"commit\"])"),
        Bug("every setting is live", "if register.live else takes", "if register.words else takes"),
        Bug("an attempt is forgotten", "changed.eq(touched | (changed & ~takes))",
            "changed.eq(touched)"),
        Bug("a commit of nothing is told", "decoded[\"commit\"] & self.locked & changed",
            "decoded[\"commit\"] & self.locked"),
        Bug("the second word of a setting does not count", "+ s.words - 1 for", "for"),
    ),
)  # fmt: skip
