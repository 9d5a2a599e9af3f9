"""Sums over symbols, for channel estimation. Model: `models.digitiser.accumulators`."""

from __future__ import annotations

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.digitiser.sum_bank import SUM_BITS, SumBank
from shotveil.gateware.primitives import fixedpoint
from shotveil.gateware.primitives.multiplier import Multiplier
from shotveil.gateware.primitives.pipeline import delay
from shotveil.models.digitiser.spec import DARK_RECORD, PILOT, ROW, SIGNAL_RECORD, DigitiserSpec

# After this many clocks without a symbol, no frame is in progress.
QUIET = 1 << 12  # ten times the longest pause between two symbols of a frame


class Accumulators(wiring.Component):
    """Σy, Σy², Σq, Σq², Σqy and counts, for each run of the row, pilots, vacuum and dark.

    * `i`: symbols, one every L clocks, with L samples a symbol; `q`: the row symbols that were
      sent, taken one with each row symbol of a signal record. A row symbol waits for its q. Symbols
      labelled `skip` are left out of all sums of a signal record, and take no q.
    * `frames`: sums of each frame, 16 per word: place by place, then lane by lane.
    * `session`, `modes`: sums since the last `snapshot`, sent at the next frame's end after the
      level of `snapshot` changed, or at once where `QUIET` clocks went by without a symbol; all of
      them belong to the same whole frames. `mode_shift`: 2^this row symbols share a mode.
    * `pending`: a `snapshot` was asked for and has not been taken.
    * `wipe`: if held for 4·`modes` clocks, it clears all sums some clocks later, even in reset.
    * `late`: sticky; a frame's sums were not fetched in time and continued in the next frame's.
    * All sums are exact. It takes 16/L multipliers.
    """

    reach = 3  # clocks from `wipe` until all sums follow it

    def __init__(self, spec: DigitiserSpec):
        self._spec = spec
        sums = stream.Signature(signed(SUM_BITS))
        super().__init__(
            {
                "i": In(stream.Signature(payloads.symbols(spec))),
                "q": In(stream.Signature(payloads.sent(spec))),
                "frames": Out(sums),
                "session": Out(sums),
                "modes": Out(sums),
                "record": In(2),
                "pilot": In(spec.reference.width - 1),
                "snapshot": In(1),
                "mode_shift": In(3),
                "wipe": In(1),
                "clear": In(1),
                "late": Out(1),
                "pending": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        value_bits = max(2 * spec.symbol.width, spec.symbol.width + spec.reference.width) + 1
        # The 16 sums of a symbol take `turns` clocks, `width` of them at a time.
        turns = spec.samples_per_symbol
        width = 16 // turns
        m.submodules.frames = frames = SumBank(spec.words, width, value_bits, turns)
        m.submodules.session = session = SumBank(spec.words, width, value_bits, turns)
        m.submodules.modes = modes = SumBank(spec.modes, 4 // turns, value_bits, turns)
        # All memories of a bank hang on its `wipe`: each has a register of its own, one clock after
        # the other, or synthesis would take them for one.
        wiping = Signal(2, reset_less=True)
        m.d.sync += wiping.eq(Cat(self.wipe, wiping))
        wipes = self.wipe, *wiping
        for n, (name, bank) in enumerate(
            (("frames", frames), ("session", session), ("modes", modes))
        ):
            wiring.connect(m, bank.o, wiring.flipped(getattr(self, name)))
            m.d.comb += bank.wipe.eq(wipes[n])

        # A symbol and its q, taken together; one of the products of each lane a clock after that.
        signal = self.record == SIGNAL_RECORD
        skip = self.i.p.skip & signal
        row = (self.i.p.kind == ROW) & signal & ~self.i.p.skip
        busy = Signal(max(turns - 2, 1))
        ending = Signal(20)  # clocks since the last symbol of a frame: all sums are done by then
        free = Signal(init=1)
        taken = Signal()
        m.d.comb += [
            self.i.ready.eq(free & (self.q.valid | ~row)),
            self.q.ready.eq(free & self.i.valid & row),
            taken.eq(self.i.valid & self.i.ready),
        ]
        m.d.sync += [
            busy.eq(Cat(taken, busy)),
            ending.eq(Cat(taken & self.i.p.last, ending)),
            # A register, so that nothing in front waits for it: free `turns` clocks after a symbol.
            free.eq(~(taken | busy[: turns - 2].any() | ending[:-1].any())),
        ]

        symbol = fixedpoint.shape(spec.symbol)
        x, p = Signal(symbol, reset_less=True), Signal(symbol, reset_less=True)
        qx, qp = (
            Signal(signed(spec.reference.width), name=n, reset_less=True) for n in ("qx", "qp")
        )
        good = Signal()
        word = Signal(range(spec.words))
        index = Signal(range(spec.modes))
        in_row = Signal()
        turn = Signal(range(turns))
        going = Signal()
        pilot = self.i.p.kind == PILOT
        reference = Cat(self.pilot, C(0, 1)).as_signed()
        usable = ~(self.i.p.lost | self.i.p.over | self.i.p.saturated)
        # Whatever is there is looked at while a symbol may come, and counts only if one was taken:
        # whether it was is known too late for so many registers.
        with m.If(free):
            m.d.sync += [
                x.eq(Mux(usable, self.i.p.x, 0)),
                p.eq(Mux(usable, self.i.p.p, 0) if spec.quadratures == 2 else 0),
                good.eq(usable),
                index.eq(self.i.p.index >> self.mode_shift),
                in_row.eq(row),
                qx.eq(0),
                qp.eq(0),
            ]
            with m.If(usable & signal):
                with m.If(row):
                    m.d.sync += [qx.eq(self.q.p.x), qp.eq(self.q.p.p)]
                with m.Elif(pilot):
                    # Of a pilot, the bits of its number tell whether it is odd, and the opposite.
                    odd, back = self.i.p.index[0], self.i.p.index[1]
                    m.d.sync += [
                        qx.eq(Mux(back, -reference, reference)),
                        qp.eq(Mux(odd ^ back, -reference, reference)),
                    ]
            with m.If(signal):
                m.d.sync += word.eq(
                    Mux(row, self.i.p.segment, Mux(pilot, spec.pilot_word, spec.vacuum_word))
                )
            with m.Else():
                m.d.sync += word.eq(
                    Mux(self.record == DARK_RECORD, spec.dark_word, spec.vacuum_word)
                )
        with m.If(taken):
            m.d.sync += [turn.eq(0), going.eq(~skip)]
        with m.Elif(going):
            m.d.sync += turn.eq(turn + 1)
            with m.If(turn == turns - 1):
                m.d.sync += going.eq(0)

        # In the order in which they are sent, which does not depend on the number of turns.
        one = C(1, 2)
        sums: tuple[tuple[tuple[Value, Value], ...], ...] = (
            ((x, one), (x, x), (qx, x), (qx, qx)),
            ((p, one), (p, p), (qx, p), (qp, qp)),
            ((qx, one), (x, p), (qp, x), (qx, qp)),
            ((qp, one), (Cat(good, C(0, 1)), one), (qp, p), (Cat(~good, C(0, 1)), one)),
        )
        ordered = [pair for group in sums for pair in group]
        lanes = [ordered[n::width] for n in range(width)]
        products = []
        for number, lane in enumerate(lanes):
            m.submodules[f"product_{number}"] = product = Multiplier(18, 18)
            a, b = Signal(signed(18), name=f"a{number}"), Signal(signed(18), name=f"b{number}")
            m.d.sync += [
                a.eq(Array([_wide(pair[0]) for pair in lane])[turn]),
                b.eq(Array([_wide(pair[1]) for pair in lane])[turn]),
            ]
            m.d.comb += [product.enable.eq(1), product.a.eq(a), product.b.eq(b)]
            products.append(product.o)

        # With the products: 1 clock for the factors, 3 for the multiplier.
        behind = 1 + Multiplier.LATENCY
        add = delay(m, going, behind)
        place = delay(m, Cat(turn, word), behind)
        # One bank takes them a clock after the other: synthesis would take registers that hold the
        # same for one, which had to lie beside the sums of both.
        for later, bank in enumerate((frames, session)):
            m.d.comb += [
                bank.add.eq(delay(m, add, later)),
                bank.place.eq(delay(m, place, later)),
                *(
                    getattr(bank, f"value_{n}").eq(delay(m, product, later))
                    for n, product in enumerate(products)
                ),
            ]

        # The sums of a mode need pairs of products: kept, and added up in the 4 clocks after.
        late_turn = place[: len(turn)]
        kept = [[Signal(signed(36), name=f"kept_{n}_{j}", reset_less=True) for j in range(turns)]
                for n in range(1, width)]  # fmt: skip
        for line, product in zip(kept, products[1:], strict=True):
            for j, signal in enumerate(line):
                with m.If(add & (late_turn == j)):
                    m.d.sync += signal.eq(product)
        mode = delay(m, Cat(in_row, index), behind)
        complete = Signal()
        mode_place = Signal(range(spec.modes), reset_less=True)
        pairs = [Signal(signed(value_bits), name=f"pair_{j}", reset_less=True) for j in range(4)]
        m.d.sync += complete.eq(add & (late_turn == turns - 1) & mode[0])
        with m.If(add & (late_turn == turns - 1)):
            m.d.sync += mode_place.eq(mode[1:])
        squares, cross, sent = (
            [kept[k % width - 1][k // width] for k in range(lane, 16, 4)] for lane in range(1, 4)
        )
        with m.If(complete):
            m.d.sync += [
                pairs[0].eq(squares[0] + squares[1]),
                pairs[1].eq(cross[0] + cross[3]),
                pairs[2].eq(cross[1] - cross[2]),
                pairs[3].eq(sent[0] + sent[1]),
            ]
        adding = Signal(turns)
        m.d.sync += adding.eq(Cat(complete, adding))
        which = Signal(range(turns))  # of them are being added
        if turns == 4:
            m.d.sync += which.eq(Cat(adding[0] | adding[2], adding[1] | adding[2]))
        else:
            m.d.sync += which.eq(adding[0])
        m.d.comb += [
            modes.add.eq(adding.any()),
            modes.place.eq(Cat(which, delay(m, mode_place, 1))),
            *(
                getattr(modes, f"value_{n}").eq(Array(pairs[n :: 4 // turns])[which])
                for n in range(4 // turns)
            ),
        ]

        # The banks are swapped once all additions of the frame are done.
        seen = Signal()
        asked = Signal()
        quiet = Signal(QUIET.bit_length())
        with m.If(taken):
            m.d.sync += quiet.eq(0)
        with m.Elif(~quiet[-1]):
            m.d.sync += quiet.eq(quiet + 1)
        m.d.comb += [
            asked.eq(self.snapshot != seen),
            self.pending.eq(asked),
            frames.swap.eq(ending[-1]),
        ]
        with m.If((ending[-1] | quiet[-1]) & asked):
            m.d.comb += [session.swap.eq(1), modes.swap.eq(1)]
            m.d.sync += seen.eq(self.snapshot)
        with m.If(self.clear):
            m.d.sync += self.late.eq(0)
        with m.Elif(frames.late | session.late | modes.late):
            m.d.sync += self.late.eq(1)
        return m


def _wide(value: Value) -> Value:
    """Any factor as 18 bits, so that an `Array` of them is uniform."""
    shape = value.shape()
    extended = value if shape.signed else Cat(value, C(0, 1)).as_signed()
    taken = extended + C(0, signed(18))
    return taken[:18].as_signed()
