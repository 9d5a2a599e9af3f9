"""The register bank with streams for a bench, and the expected results of a list of accesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from shotveil.gateware.host_link.register_bus import RegisterBus
from shotveil.gateware.node.register_bank import RegisterBank
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.host_link.packet import ADDRESS_BITS, WORD
from shotveil.models.node.register import Access, Register, RegisterMap
from shotveil.sim.engines.equality import Case
from shotveil.sim.engines.run import Run

ACCESS = data.StructLayout({"address": ADDRESS_BITS, "data": WORD, "write": 1})
FOLD = 40
EVENT = data.StructLayout({"settings": FOLD, "strobes": 16})

# One register of each kind that a decoder could get wrong.
SMALL = RegisterMap(
    (
        Register("id", 32, Access.CONSTANT, "", reset=0x53564C31),
        Register("commit", 1, Access.STROBE, ""),
        Register("go", 1, Access.STROBE, ""),
        Register("flag", 1, Access.SETTING, "", reset=1),
        Register("level", 7, Access.SETTING, "", signed=True, reset=-5),
        Register("wide", 38, Access.SETTING, "", signed=True, reset=-(1 << 34)),
        Register("count", 32, Access.STATUS, ""),
        Register("whole", 64, Access.STATUS, ""),
        Register("part", 40, Access.STATUS, "", signed=True),
    )
)


class RegisterProbe(wiring.Component):
    """A `RegisterBank` with streams in front and behind, for a bench.

    * `accesses` are carried out in order, writes back to back; `answers` are the words read.
    * `events` has an entry for each clock in which a strobe is high or any setting has changed: all
      settings folded to `FOLD` bits by exclusive or, and the strobes in the order of the map.
    * Each status register has an input port of its name. While `racing`, all status registers count
      instead, with the same number in every word of a register.
    """

    def __init__(self, registers: RegisterMap):
        self._map = registers
        super().__init__(
            {
                "accesses": In(stream.Signature(ACCESS)),
                "answers": Out(stream.Signature(WORD)),
                "events": Out(stream.Signature(EVENT)),
                "racing": In(1),
                **{name: In(r.width) for name, r in registers.of(Access.STATUS).items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bank = bank = RegisterBank(self._map)
        m.submodules.answered = answered = SyncFIFOBuffered(width=WORD, depth=4)
        m.submodules.seen = seen = SyncFIFOBuffered(width=EVENT.size, depth=64)
        waiting = Signal()
        bus, given = bank.bus, self.accesses
        go = Signal()
        m.d.comb += [
            given.ready.eq(~waiting & answered.w_rdy & (seen.level < 32)),
            go.eq(given.valid & given.ready),
            bus.address.eq(given.payload.address),
            bus.w_data.eq(given.payload.data),
            bus.w_strobe.eq(go & given.payload.write),
            bus.r_strobe.eq(go & ~given.payload.write),
            answered.w_data.eq(bus.r_data),
            answered.w_en.eq(bus.r_valid),
            self.answers.valid.eq(answered.r_rdy),
            self.answers.payload.eq(answered.r_data),
            answered.r_en.eq(self.answers.ready),
        ]
        with m.If(bus.r_strobe):
            m.d.sync += waiting.eq(1)
        with m.Elif(bus.r_valid):
            m.d.sync += waiting.eq(0)

        count = Signal(WORD)
        m.d.sync += count.eq(count + 1)
        for name, port in bank.status.items():
            m.d.comb += port.eq(Mux(self.racing, count.replicate(2), getattr(self, name)))

        state = Cat(*(Value.cast(s) for s in bank.settings.values()))
        strobes = Cat(*bank.strobes.values())
        before = Signal(len(state))
        started = Signal()
        folded: Value = C(0, FOLD)
        for first in range(0, len(state), FOLD):
            folded = folded ^ state[first : first + FOLD]
        event = Signal(EVENT)
        m.d.sync += [before.eq(state), started.eq(1)]
        m.d.comb += [
            event.settings.eq(folded),
            event.strobes.eq(strobes),
            seen.w_data.eq(event),
            seen.w_en.eq(strobes.any() | (started & (state != before))),
            self.events.valid.eq(seen.r_rdy),
            self.events.payload.eq(seen.r_data),
            seen.r_en.eq(self.events.ready),
        ]
        return m


class RegisterPorts(wiring.Component):
    """A `RegisterBank` with a port for each register, only to measure its size and speed."""

    def __init__(self, registers: RegisterMap):
        self._map = registers
        super().__init__(
            {
                "bus": In(RegisterBus()),
                **{
                    r.name: (In if r.access is Access.STATUS else Out)(r.width)
                    for r in registers
                    if r.access is not Access.CONSTANT
                },
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bank = bank = RegisterBank(self._map)
        wiring.connect(m, wiring.flipped(self.bus), bank.bus)
        for name, signal in {**bank.settings, **bank.strobes}.items():
            m.d.comb += getattr(self, name).eq(signal)
        for name, signal in bank.status.items():
            m.d.comb += signal.eq(getattr(self, name))
        return m


@dataclass(frozen=True)
class RegisterAccess:
    """One access: a write of `data`, or a read if `data` is None."""

    address: int
    data: int | None = None


def random_steps(
    registers: RegisterMap, count: int, rng: np.random.Generator
) -> list[RegisterAccess]:
    """Accesses of all kinds anywhere in the map, a little behind its end, and far behind it."""
    steps = []
    commit = registers.address("commit")
    for _ in range(count):
        address = int(rng.integers(registers.size + 3))
        if rng.random() < 0.05:
            address = int(rng.integers(1 << ADDRESS_BITS))
        if rng.random() < 0.1:
            address = commit
        word = int(rng.choice([0, 1, 0xFFFFFFFF, 1 << 31, int(rng.integers(1 << 32))]))
        steps.append(RegisterAccess(address, word if rng.random() < 0.6 else None))
    return steps


class Expected:
    """What the bank must answer, as plain integers by word; it shares no code with the bank."""

    def __init__(self, registers: RegisterMap):
        self._map = registers
        self._places = {
            registers.address(r.name) + k: (r, k) for r in registers for k in range(r.words)
        }
        self.staged = {name: r.reset for name, r in registers.of(Access.SETTING).items()}
        self.active = dict(self.staged)
        self._latched: dict[str, int] = {}

    def play(
        self, steps: Sequence[RegisterAccess], status: Mapping[str, int]
    ) -> tuple[IntArray, dict[str, IntArray]]:
        """The words read and the events when accesses are carried out one after the other."""
        answers: list[int] = []
        events: list[tuple[int, int]] = []
        strobes = list(self._map.of(Access.STROBE))
        for step in steps:
            register, k = self._places.get(step.address, (None, 0))
            if step.data is None:
                answers.append(self._read(register, k, status) if register else 0)
            elif register and register.access is Access.STROBE:
                if register.name == "commit":
                    self.active = dict(self.staged)
                events.append((self._fold(), 1 << strobes.index(register.name)))
            elif register and register.access is Access.SETTING:
                mask = ((1 << WORD) - 1) << (WORD * k)
                bits = register.unsigned(self.staged[register.name])
                bits = (bits & ~mask) | (step.data << (WORD * k))
                words = [bits >> (WORD * n) & ((1 << WORD) - 1) for n in range(register.words)]
                self.staged[register.name] = register.from_words(words)
        table = np.array(events, dtype=np.int64).reshape(-1, 2)
        return np.array(answers, np.int64), {"settings": table[:, 0], "strobes": table[:, 1]}

    def _read(self, register: Register, k: int, status: Mapping[str, int]) -> int:
        if register.access is Access.STROBE:
            return 0
        if register.access is Access.CONSTANT:
            value = register.reset
        elif register.access is Access.SETTING:
            value = self.staged[register.name]
        elif k == 0:
            value = self._latched[register.name] = status.get(register.name, 0)
        else:
            value = self._latched.get(register.name, 0)
        return register.unsigned(value) >> (WORD * k) & ((1 << WORD) - 1)

    def _fold(self) -> int:
        bits = place = 0
        for name, register in self._map.of(Access.SETTING).items():
            bits |= register.unsigned(self.active[name]) << place
            place += register.width
        folded = 0
        while bits:
            folded ^= bits & ((1 << FOLD) - 1)
            bits >>= FOLD
        return folded


def cases(registers: RegisterMap, count: int, rng: np.random.Generator) -> list[Case]:
    """Random accesses with new status values in each run; no reset comes between runs."""
    expected = Expected(registers)
    made = []
    for _ in range(3):
        status = {
            name: int(rng.integers(1 << 63)) & ((1 << r.width) - 1)
            for name, r in registers.of(Access.STATUS).items()
        }
        steps = random_steps(registers, count, rng)
        answers, events = expected.play(steps, status)
        made.append(
            Case(
                run(steps, len(answers), len(events["settings"]), {**status, "racing": 0}),
                {"answers": answers, "events": events},
            )
        )
    return made


def run(
    steps: Sequence[RegisterAccess], answers: int, events: int, settings: Mapping[str, int]
) -> Run:
    """The accesses as a run of the bench."""
    fields = {
        "address": [step.address for step in steps],
        "data": [step.data or 0 for step in steps],
        "write": [int(step.data is not None) for step in steps],
    }
    return Run(
        settings,
        {"accesses": {name: np.array(values, np.int64) for name, values in fields.items()}},
        {"answers": answers, "events": events},
        timeout=1000 + 200 * len(steps),
    )
