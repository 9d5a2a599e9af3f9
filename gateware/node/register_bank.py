"""The registers of a node, between the register bus and the blocks.

The map is in `models.node.register_map`.
"""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.host_link.register_bus import RegisterBus
from shotveil.models.host_link.packet import WORD
from shotveil.models.node.register import Access, Register, RegisterMap


class RegisterBank(wiring.Component):
    """Decoder and storage for one `RegisterMap`.

    * `bus`: the register bus of the host link.
    * `settings[name]`, `strobes[name]`: signals for the blocks, by the names of the map.
      `status[name]`: signals that the blocks drive.
    * A write changes nothing but one staged word. The strobe `commit` moves all staged settings to
      `settings` in one clock, the one in which `strobes["commit"]` goes high. Settings and strobes
      go all over the device, so there is a register between the decoder and them.
    * While `locked` is high, `commit` leaves settings alone that are not `live`: they stay staged
      until a later commit. `held` is high for a clock if that happens to a setting that was
      written since the last commit that put it into effect.
    * Strobes last one clock, `write_latency` clocks after the write. Writes act in order.
    * A read answers after `latency` clocks. In each clock, every `PACE` words are narrowed to one,
      because one wide multiplexer for all registers would limit the clock. Strobes and addresses
      without a register read as zero. A write to such an address, or to a register that cannot be
      set, does nothing.
    * A status of several words is latched whole when its first word is read.
    * After reset every setting has its `reset` value, and no strobe is high.
    * The bank takes no memory and no multiplier. It takes two flip-flops for each bit of the
      settings, and about three LUTs for every four bits that can be read.
    """

    PACE = 4

    write_latency = 3

    def __init__(self, registers: RegisterMap):
        self._map = registers
        super().__init__({"bus": In(RegisterBus()), "locked": In(1), "held": Out(1)})

        def signals(access: Access) -> dict[str, Signal]:
            return {name: _signal(register) for name, register in registers.of(access).items()}

        self.settings = signals(Access.SETTING)
        self.status = signals(Access.STATUS)
        self.strobes = signals(Access.STROBE)

    @property
    def latency(self) -> int:
        """Clocks from `r_strobe` to `r_valid`: two address registers, and the multiplexers."""
        return 2 + _choices(self._map.size, self.PACE)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus = self.bus
        # A second register, so that a read sees a write of the clock before.
        address = Signal(bus.address.shape(), reset_less=True)
        data = Signal(WORD, reset_less=True)
        place = Signal.like(address)
        word = Signal.like(data)
        write = Signal()
        asked = Signal(self.latency)
        with m.If(bus.w_strobe | bus.r_strobe):
            m.d.sync += [address.eq(bus.address), data.eq(bus.w_data)]
        m.d.sync += [place.eq(address), word.eq(data)]
        m.d.sync += [write.eq(bus.w_strobe), asked.eq(Cat(bus.r_strobe, asked))]

        def written(at: int) -> Value:
            return write & (address == at)

        decoded = {name: Signal(name=f"{name}_decoded") for name in self._map.of(Access.STROBE)}
        # Whether a setting that is not live was written. The settings' addresses follow each other.
        takes = Signal()
        touched = Signal()
        changed = Signal()
        settings = self._map.of(Access.SETTING)
        live = [self._map.address(name) for name, setting in settings.items() if setting.live]
        places = [self._map.address(name) + s.words - 1 for name, s in settings.items()]
        first, last = min(map(self._map.address, settings)), max(places)
        m.d.comb += takes.eq(decoded["commit"] & ~self.locked)
        m.d.sync += [
            touched.eq(
                write
                & (address >= first)
                & (address <= last)
                & ~Cat(address == at for at in live).any()
            ),
            changed.eq(touched | (changed & ~takes)),
            self.held.eq(decoded["commit"] & self.locked & changed),
        ]
        words: list[Value] = []
        for register in self._map:
            name, base = register.name, self._map.address(register.name)
            if register.access is Access.CONSTANT:
                readable: Value = C(register.reset, register.width)
            elif register.access is Access.STROBE:
                m.d.sync += [
                    decoded[name].eq(written(base)),
                    self.strobes[name].eq(decoded[name]),
                ]
                readable = C(0, 1)
            elif register.access is Access.SETTING:
                readable = staged = Signal(
                    register.width, name=f"{name}_staged", init=register.unsigned(register.reset)
                )
                chosen = Signal(register.words, name=f"{name}_chosen")
                for k in range(register.words):
                    m.d.sync += chosen[k].eq(written(base + k))
                    with m.If(chosen[k]):
                        m.d.sync += staged[WORD * k : WORD * (k + 1)].eq(word)
                with m.If(decoded["commit"] if register.live else takes):
                    m.d.sync += self.settings[name].eq(staged)
            else:
                readable = Value.cast(self.status[name])
                if register.words > 1:
                    latched = Signal(register.width - WORD, name=f"{name}_latched")
                    with m.If(asked[1] & (place == base)):
                        m.d.sync += latched.eq(readable[WORD:])
                    readable = Cat(readable[:WORD], latched)
            words += [readable[WORD * k : WORD * (k + 1)] for k in range(register.words)]

        m.d.comb += [bus.r_data.eq(self._choose(m, words, place)), bus.r_valid.eq(asked[-1])]
        return m

    def _choose(self, m: Module, words: list[Value], address: Value) -> Value:
        """The word at an address, chosen by a factor of `PACE` per clock; zero after the last."""
        bits = (self.PACE - 1).bit_length()
        known = Signal()
        m.d.sync += known.eq(address < len(words))
        levels = _choices(len(words), self.PACE)
        for level in range(levels):
            narrowed: list[Value] = []
            for first in range(0, len(words), self.PACE):
                group = words[first : first + self.PACE]
                word = Signal(max(len(one) for one in group), reset_less=True)
                with m.Switch(address[bits * level : bits * (level + 1)]):
                    for k, one in enumerate(group):
                        with m.Case(k):
                            m.d.sync += word.eq(one)
                    if len(group) < self.PACE:
                        with m.Default():
                            m.d.sync += word.eq(0)
                if level == levels - 1:  # the second or a later one, when `known` is
                    with m.If(~known):
                        m.d.sync += word.eq(0)
                narrowed.append(word)
            words = narrowed
        return words[0]


def _signal(register: Register) -> Signal:
    shape = Shape(register.width, register.signed)
    init = register.reset if register.access is Access.SETTING else 0
    return Signal(shape, name=register.name, init=init)


def _choices(words: int, pace: int) -> int:
    """Number of clocks, at least two, in which `words` are narrowed by `pace` to one word."""
    count = 2
    while pace**count < words:
        count += 1
    return count
