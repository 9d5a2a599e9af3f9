"""Proof: settings change only by `commit`, all in one clock, to the values written last."""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Assert, C, Cat, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.models.host_link.packet import WORD
from shotveil.models.node.register import Access, Register, RegisterMap

ADDRESS_BITS = 4  # beyond the map as well
MAP = RegisterMap(
    (
        Register("narrow", 3, Access.SETTING, "one word", reset=5),
        Register("commit", 1, Access.STROBE, "apply what is staged"),
        Register("wide", 40, Access.SETTING, "two words"),
        Register("other", 1, Access.STROBE, "another strobe"),
        Register("shown", 40, Access.STATUS, "two words"),
    )
)
SETTINGS = MAP.of(Access.SETTING)


class RegisterBankBench(wiring.Component):
    """Any access at any time; what is staged is kept beside the bank."""

    def __init__(self, block: ModuleType):
        self.dut = block.RegisterBank(MAP)
        super().__init__(
            {
                "address": In(ADDRESS_BITS),
                "data": In(WORD),
                "write": In(1),
                "read": In(1),
                "locked": In(1),
                "shown": In(MAP["shown"].width),
                **{f"{name}_staged": In(register.width) for name, register in SETTINGS.items()},
                **{f"{name}_chosen": In(r.words) for name, r in SETTINGS.items()},
                "inside_word": In(WORD),
                **{f"{name}_decoded": In(1) for name in MAP.of(Access.STROBE)},
                "inside_address": In(ADDRESS_BITS),
                "inside_data": In(WORD),
                "inside_write": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        m.d.comb += [
            dut.bus.address.eq(self.address),
            dut.bus.w_data.eq(self.data),
            dut.bus.w_strobe.eq(self.write),
            dut.bus.r_strobe.eq(self.read & ~self.write),
            dut.status["shown"].eq(self.shown),
            dut.locked.eq(self.locked),
        ]
        was_locked = Signal()
        m.d.sync += was_locked.eq(self.locked)
        written, place, data = Signal(), Signal(ADDRESS_BITS), Signal(WORD)
        m.d.sync += [written.eq(self.write), place.eq(self.address), data.eq(self.data)]
        staged = {
            name: Signal(register.width, name=f"kept_{name}", init=register.reset)
            for name, register in SETTINGS.items()
        }
        # Three clocks after the write that asked for it.
        word = Signal(WORD)
        m.d.sync += word.eq(data)
        for name, register in SETTINGS.items():
            chosen = Signal(register.words, name=f"{name}_chosen_due")
            for k in range(register.words):
                m.d.sync += chosen[k].eq(written & (place == MAP.address(name) + k))
                with m.If(chosen[k]):
                    m.d.sync += staged[name][WORD * k : WORD * (k + 1)].eq(word)
            m.d.comb += Assert(getattr(self, f"{name}_chosen") == chosen)
            with m.If(chosen.any()):
                m.d.comb += Assert(self.inside_word == word)
        for name in MAP.of(Access.STROBE):
            decoded, due = Signal(name=f"decoded_{name}_due"), Signal(name=f"due_{name}")
            m.d.sync += [decoded.eq(written & (place == MAP.address(name))), due.eq(decoded)]
            m.d.comb += Assert(getattr(self, f"{name}_decoded") == decoded)
            m.d.comb += Assert(dut.strobes[name] == due)

        changed = []
        for name, register in SETTINGS.items():
            setting = dut.settings[name]
            before = Signal(register.width, name=f"before_{name}", init=register.reset)
            wanted = Signal(register.width, name=f"wanted_{name}", init=register.reset)
            m.d.sync += [before.eq(setting), wanted.eq(staged[name])]
            free = C(1) if register.live else ~was_locked
            with m.If(dut.strobes["commit"] & free):
                m.d.comb += Assert(setting == wanted)
            with m.Else():
                m.d.comb += Assert(setting == before)
            changed.append(setting != before)
            # Inside.
            m.d.comb += Assert(getattr(self, f"{name}_staged") == staged[name])
        m.d.comb += Assert(self.inside_write == written)
        with m.If(written):
            m.d.comb += [Assert(self.inside_address == place), Assert(self.inside_data == data)]
        m.d.comb += [
            Cover(Cat(*changed).all()),
            Cover((dut.settings["wide"] == 0x12_3456_789A) & ~Cat(*changed).any()),
        ]
        return m


PROOF = Proof(
    block="shotveil.gateware.node.register_bank",
    bench=RegisterBankBench,
    depth=3,
    reach=10,
    peek={
        **{f"{name}_staged": f"dut.{name}_staged" for name in SETTINGS},
        **{f"{name}_chosen": f"dut.{name}_chosen" for name in SETTINGS},
        "inside_word": "dut.word",
        **{f"{name}_decoded": f"dut.{name}_decoded" for name in MAP.of(Access.STROBE)},
        "inside_address": "dut.address",
        "inside_data": "dut.data",
        "inside_write": "dut.write",
    },
    bugs=(
        Bug(
            "a setting acts as soon as it is written",
            'takes.eq(decoded["commit"] & ~self.locked)',
            "takes.eq(write & ~self.locked)",
        ),
        Bug(
            "a setting changes during a batch",
            "if register.live else takes",
            "if register.width > 1 else takes",
        ),
        Bug(
            "a strobe acts for a read too",
            "write.eq(bus.w_strobe)",
            "write.eq(bus.w_strobe | bus.r_strobe)",
        ),
        Bug(
            "the second word of a setting overwrites the first",
            "staged[WORD * k : WORD * (k + 1)].eq(word)",
            "staged[: WORD * (k + 1)].eq(word)",
        ),
    ),
)
