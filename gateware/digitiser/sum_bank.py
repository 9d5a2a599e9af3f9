"""Double-buffered sums in memory: one bank is sent while the other takes the next sums."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.primitives.memory import NO_COLLISIONS
from shotveil.models.common.checks import require

SUM_BITS = 64


class Dump(enum.Enum):
    IDLE = 0
    BEGIN = 1
    READ = 2
    FETCH = 3
    LATCH = 4
    SEND = 5


class SumBank(wiring.Component):
    """`lanes` sums in each of `turns`·`words` places, in two banks.

    * With `add` high, `value_0`, `value_1`, … are added at `place`. The same place may return after
      `turns` clocks at the earliest.
    * `swap` exchanges the banks, and sends the sums taken so far through `o`: place by place, lane
      by lane. What was sent starts from 0 again. Swap when no addition is under way, 6 clocks after
      the last. If the last sums are still being sent, nothing is exchanged, sums go on in the same
      bank, and `late` is high for a clock.
    * `wipe`: if held for `turns`·`words` clocks without additions, it clears both banks, even in
      reset.
    * Sums are 64 bits wide and wrap; the user must ensure that they cannot overflow.
    """

    def __init__(self, words: int, lanes: int, value_bits: int, turns: int = 4):
        require("words", words, at_least=1, at_most=4096, integer=True)
        require("lanes", lanes, at_least=1, at_most=8, integer=True)
        require("turns", turns, at_least=2, at_most=4, integer=True)
        self._places = words * turns
        self._turns = turns
        self._lanes = lanes
        super().__init__(
            {
                "add": In(1),
                "place": In(range(words * turns)),
                **{f"value_{n}": In(signed(value_bits)) for n in range(lanes)},
                "swap": In(1),
                "wipe": In(1),
                "late": Out(1),
                "o": Out(stream.Signature(signed(SUM_BITS))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        places, lanes = self._places, self._lanes
        bank = Signal()  # the one that sums are taken in
        state = Signal(Dump)
        at = Signal(range(places))
        lane = Signal(range(max(lanes, 2)))
        clear = Signal()
        sweep = Signal(range(places), reset_less=True)
        m.d.sync += sweep.eq(Mux(sweep == places - 1, 0, sweep + 1))

        # What a bank is for is known in registers of its own, as its memories all hang on them: it
        # takes sums, or is sent and cleared behind what has been read.
        sums = [Signal(name=f"sums_{b}", init=b == 0, reset_less=True) for b in range(2)]
        turned = bank ^ (self.swap & (state == Dump.IDLE))
        m.d.sync += [takes.eq((turned == b) & ~self.wipe) for b, takes in enumerate(sums)]
        wiping = Signal(reset_less=True)
        m.d.sync += [wiping.eq(self.wipe), clear.eq(state == Dump.FETCH)]

        # place → address → memory → register → choice of bank → sum → memory: block RAM is slow,
        # has a clock of its own, and is far. So a place that returns within 4 clocks is read before
        # it is written, and its sum is taken from the pipeline instead: the latest there is.
        add = Signal(5)
        place = [Signal(range(places), name=f"place_{n}", reset_less=True) for n in range(5)]
        returns = []  # whether it does after 4 clocks, 3 clocks, …
        for after in range(4, self._turns - 1, -1):
            again = Signal(2, reset_less=True)
            m.d.sync += again.eq(Cat((place[after] == place[0]) & add[after], again))
            returns.append(again[1])
        # The next sum to send is read ahead.
        following = Mux(state == Dump.SEND, at + 1, at)
        read_at = [Signal(range(places), name=f"read_at_{b}", reset_less=True) for b in range(2)]
        m.d.sync += [
            address.eq(Mux(bank == b, self.place, following)) for b, address in enumerate(read_at)
        ]
        m.d.sync += add.eq(Cat(self.add, add))
        m.d.sync += [a.eq(b) for a, b in zip(place, [self.place, *place], strict=False)]
        read_out = []
        for n in range(lanes):
            value = getattr(self, f"value_{n}")
            values = [
                Signal(value.shape(), name=f"value_{n}_{k}", reset_less=True) for k in range(4)
            ]
            kept = [
                Signal(signed(SUM_BITS), name=f"kept_{n}_{k}", reset_less=True) for k in range(2)
            ]
            before = Signal(signed(SUM_BITS), name=f"before_{n}", reset_less=True)
            total = Signal(signed(SUM_BITS), name=f"total_{n}", reset_less=True)
            data = []
            for b in range(2):
                # A word that is read in the clock of a write to its place is never used.
                m.submodules[f"memory_{n}_{b}"] = memory = Memory(
                    shape=signed(SUM_BITS), depth=places, init=[], attrs=NO_COLLISIONS
                )
                read = memory.read_port()
                write = memory.write_port()
                m.d.comb += [
                    read.addr.eq(read_at[b]),
                    write.addr.eq(Mux(wiping, sweep, Mux(sums[b], place[4], at))),
                    write.data.eq(Mux(sums[b], total, 0)),
                    write.en.eq(Mux(sums[b], add[4], clear) | wiping),
                ]
                got = Signal(signed(SUM_BITS), name=f"got_{n}_{b}", reset_less=True)
                m.d.sync += got.eq(read.data)
                data.append(got)
            newest = Mux(bank, data[1], data[0])
            for again, line in zip(returns, (kept[1], kept[0], total), strict=False):
                newest = Mux(again, line, newest)
            m.d.sync += [
                *(a.eq(b) for a, b in zip(values, [value, *values], strict=False)),
                kept[0].eq(total),
                kept[1].eq(kept[0]),
                before.eq(newest),
                total.eq(before + values[-1]),
            ]
            sent = Signal(signed(SUM_BITS), name=f"sent_{n}", reset_less=True)
            with m.If(state == Dump.LATCH):
                m.d.sync += sent.eq(Mux(bank, data[0], data[1]))
            read_out.append(sent)

        m.d.sync += self.late.eq(self.swap & (state != Dump.IDLE))
        m.d.comb += [
            self.o.valid.eq(state == Dump.SEND),
            self.o.p.eq(Array(read_out)[lane] if lanes > 1 else read_out[0]),
        ]
        with m.Switch(state):
            with m.Case(Dump.IDLE), m.If(self.swap):
                m.d.sync += [bank.eq(~bank), state.eq(Dump.BEGIN), at.eq(0), lane.eq(0)]
            with m.Case(Dump.BEGIN):
                m.d.sync += state.eq(Dump.READ)
            with m.Case(Dump.READ):
                m.d.sync += state.eq(Dump.FETCH)
            with m.Case(Dump.FETCH):
                m.d.sync += state.eq(Dump.LATCH)
            with m.Case(Dump.LATCH):
                m.d.sync += state.eq(Dump.SEND)
            with m.Case(Dump.SEND), m.If(self.o.ready):
                m.d.sync += lane.eq(lane + 1)
                with m.If(lane == lanes - 1):
                    m.d.sync += [lane.eq(0), at.eq(at + 1), state.eq(Dump.READ)]
                    with m.If(at == places - 1):
                        m.d.sync += state.eq(Dump.IDLE)
        return m
