"""Frame and symbol timing. Model: `models.digitiser.timing`."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.digitiser.payloads import forward_valid
from shotveil.gateware.primitives.multiplier import Multiplier
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.digitiser.timing import (
    EARLY,
    FINE,
    HOLD,
    JUDGE,
    PATIENCE,
    RATIO_BITS,
    TOLERANCE,
    ratios,
    start,
)

TIME_BITS = 28  # width of sample numbers; they wrap after 2 s, which is longer than any frame
SUB = 6 + FINE  # bits of a position below one sample


class Mode(enum.Enum):
    IDLE = 0  # no peak seen
    SEARCH = 1  # the search for the largest peak of a period is under way
    LOCKED = 2


class Timing(wiring.Component):
    """Marks each sample with its phase in the symbol, the fraction, and start and loss of frames.

    * `i`: correlation, `o`: marks, one for each. The mark of sample k leaves with the correlation
      of sample k + `lag`. It never stalls.
    * The first `behind` correlations belong to samples before the first sample.
    * `period`: samples from frame to frame; `timing_shift`, `free_run`: see the model.
    * `locked`: frames are being found; `loss`: sticky, a lock was given up; `clear` sets it back.
    * It takes one multiplier and a table of 64 words.
    * Numbers of samples wrap after 2^`time_bits`, which is longer than twice the longest frame.
    """

    def __init__(
        self,
        spec: DigitiserSpec,
        lag: int,
        behind: int = 0,
        always_valid: bool = False,
        time_bits: int = TIME_BITS,
    ):
        self._spec = spec
        self._time_bits = time_bits
        self._behind = behind
        self._lag = lag
        # The decision, with its arithmetic, must be complete before the frame starts.
        assert lag + start(spec) > JUDGE + 10
        super().__init__(
            {
                "i": In(
                    stream.Signature(
                        payloads.CORRELATION, always_ready=True, always_valid=always_valid
                    )
                ),
                "o": Out(
                    stream.Signature(
                        payloads.marks(spec), always_ready=True, always_valid=always_valid
                    )
                ),
                "period": In(20),
                "timing_shift": In(4),
                "free_run": In(1),
                "clear": In(1),
                "locked": Out(1),
                "loss": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = self.i.valid
        # The peaks are found one step late.
        now = Signal(self._time_bits, init=(-self._behind - 1) % (1 << self._time_bits))
        forward_valid(m, self.i, self.o)
        with m.If(self.clear):
            m.d.sync += self.loss.eq(0)

        event, position, powers = self._peaks(m, step, now)
        start_measure = Signal()
        ready, index = self._fraction(m, step, event, start_measure, powers)

        mode = Signal(Mode)
        m.d.comb += self.locked.eq(mode == Mode.LOCKED)
        # Search.
        best = Signal(payloads.POWER_BITS)
        best_position = Signal(self._time_bits)
        higher = Signal()  # a peak than the best one; known before it has held
        close = Signal(self._time_bits)
        # Lock.
        place = Signal(self._time_bits + SUB)
        judge = Signal(self._time_bits)  # when the frame that is due is decided on
        got = Signal()
        distance = Signal(signed(TOLERANCE.bit_length() + 1), reset_less=True)
        exact = Signal(signed(TOLERANCE.bit_length() + 2), reset_less=True)
        count = Signal(9)
        missed = Signal(range(PATIENCE + 2))
        gain = Signal(4)
        size = Signal(4)
        m.d.comb += size.eq(0)
        for bit in range(9):
            with m.If(count[bit]):
                m.d.comb += size.eq(bit + 1)
        m.d.sync += gain.eq(Mux(size < self.timing_shift, size, self.timing_shift))

        # Where a peak is from where it was due: its sample number has no fraction yet.
        offset = Signal(signed(self._time_bits + SUB), reset_less=True)
        offset_valid = Signal()
        near = Signal(reset_less=True)
        near_valid = Signal()
        update = Signal(3)
        shifted = Signal(signed(TOLERANCE.bit_length() + 2), reset_less=True)

        # When to act: compared one step ahead, so that the wide comparison is a register.
        at_judge = Signal()
        at_close = Signal()
        ahead = Signal(self._time_bits, init=-self._behind % (1 << self._time_bits))
        first = Signal(init=1)
        advance = Signal(3)  # one-hot: place is moved on, then the judgement's time is set
        decide = Signal(4)  # one-hot stages after the judgement
        whole = Signal(self._time_bits + 6, reset_less=True)
        sample = Signal(self._time_bits, reset_less=True)
        begin = Signal(self._time_bits, reset_less=True)
        fraction = Signal(6, reset_less=True)
        lost = Signal()
        pending = Signal()
        at_mark = Signal()
        phase = Signal(range(self._spec.samples_per_symbol))
        m.d.comb += start_measure.eq(near_valid & near)

        with m.If(step):
            m.d.sync += [
                now.eq(now + 1),
                ahead.eq(now + 2),
                at_judge.eq((ahead == judge) & (mode == Mode.LOCKED)),
                at_close.eq((ahead == close) & (mode == Mode.SEARCH)),
                first.eq(0),
                offset_valid.eq(event & (mode == Mode.LOCKED) & ~self.free_run),
                offset.eq(Cat(C(0, SUB), position) - place),
                near_valid.eq(offset_valid & ~got),
                near.eq((offset <= TOLERANCE) & (offset >= -TOLERANCE)),
                distance.eq(offset),
                update.eq(Cat(ready, update)),
                advance.eq(advance << 1),
                decide.eq(decide << 1),
            ]
            with m.If(first & self.free_run):
                m.d.sync += [mode.eq(Mode.LOCKED), place.eq(0), advance.eq(1)]

            # Search.
            m.d.sync += higher.eq(powers[1] > best)
            with m.If(event & (mode == Mode.IDLE) & ~(first & self.free_run)):
                m.d.sync += [
                    mode.eq(Mode.SEARCH),
                    best.eq(powers[1]),
                    best_position.eq(position),
                    close.eq(position + self.period - EARLY + HOLD + 1),
                ]
            with m.If((mode == Mode.SEARCH) & event & ~at_close & higher):
                m.d.sync += [best.eq(powers[1]), best_position.eq(position)]
            with m.If(at_close):
                m.d.sync += [
                    mode.eq(Mode.LOCKED),
                    place.eq(Cat(C(0, SUB), best_position)),
                    advance.eq(1),
                    count.eq(0),
                    missed.eq(0),
                ]

            # The next frame is due a period later.
            with m.If(advance[0]):
                m.d.sync += [place.eq(place + Cat(C(0, SUB), self.period)), got.eq(0)]
            with m.If(advance[1]):
                m.d.sync += judge.eq(place[SUB:] + JUDGE + 1)

            # A peak where one was due.
            with m.If(start_measure):
                m.d.sync += [got.eq(1), exact.eq(distance)]
            with m.If(ready):
                m.d.sync += exact.eq(exact + Cat(C(0, FINE), index - 32).as_signed())
            with m.If(update[0]):
                m.d.sync += shifted.eq(exact >> gain)
            with m.If(update[1]):
                m.d.sync += [place.eq(place + shifted), count.eq(count + ~count.all())]

            # The judgement.
            with m.If(at_judge):
                m.d.sync += [
                    decide.eq(1),
                    lost.eq(~got & ~self.free_run),
                    missed.eq(Mux(got | self.free_run, 0, missed + 1)),
                ]
            with m.If(decide[0]):
                m.d.sync += whole.eq((place + (1 << (FINE - 1))) >> FINE)
            with m.If(decide[1]):
                m.d.sync += [sample.eq((whole + 32) >> 6)]
            with m.If(decide[2]):
                m.d.sync += [
                    begin.eq(sample + (start(self._spec) + self._lag - 1)),
                    fraction.eq(whole[:6] + 32),
                ]
                with m.If(missed > PATIENCE):
                    m.d.sync += [mode.eq(Mode.IDLE), self.loss.eq(1)]
                with m.Else():
                    m.d.sync += [pending.eq(1), advance.eq(1)]

            # The marks.
            m.d.sync += [
                at_mark.eq(pending & (ahead == begin)),
                self.o.p.mark.eq(at_mark),
                phase.eq(Mux(at_mark, 1, phase + 1)),
                self.o.p.phase.eq(Mux(at_mark, 0, phase)),
            ]
            with m.If(at_mark):
                m.d.sync += [
                    self.o.p.fraction.eq(fraction),
                    self.o.p.lost.eq(lost),
                    pending.eq(0),
                ]
        return m

    def _peaks(
        self, m: Module, step: Signal, now: Signal
    ) -> tuple[Signal, Signal, tuple[Signal, Signal, Signal]]:
        """A strobe a step after a peak has held, its sample, and the powers before, at and after
        it, which stay for that step.

        Comparing a power with the highest so far takes longer than a step. It is therefore done a
        step ahead, with both the highest power and the power before, which may become the highest.
        """
        power, previous = Signal(payloads.POWER_BITS), Signal(payloads.POWER_BITS)
        hit = Signal()
        rises, above = Signal(), Signal()  # than the one before; than the highest before that
        left, best, right = (Signal(payloads.POWER_BITS, name=n) for n in ("left", "top", "right"))
        position = Signal(self._time_bits)
        age = Signal(range(HOLD + 1))
        active = Signal()
        take, took = Signal(), Signal()
        event = Signal()
        m.d.comb += take.eq(hit & (~active | Mux(took, rises, above)))
        with m.If(step):
            m.d.sync += [
                power.eq(self.i.p.power),
                hit.eq(self.i.p.hit),
                previous.eq(power),
                rises.eq(self.i.p.power > power),
                above.eq(self.i.p.power > best),
                took.eq(take),
                event.eq(0),
            ]
            with m.If(take):
                m.d.sync += [
                    active.eq(1),
                    best.eq(power),
                    left.eq(previous),
                    position.eq(now),
                    age.eq(0),
                ]
            with m.Elif(active):
                m.d.sync += age.eq(age + 1)
                with m.If(age == 0):
                    m.d.sync += right.eq(power)
                with m.If(age == HOLD - 1):
                    m.d.sync += [event.eq(1), active.eq(0)]
        return event, position, (left, best, right)

    def _fraction(
        self,
        m: Module,
        step: Signal,
        event: Signal,
        start: Signal,
        powers: tuple[Signal, Signal, Signal],
    ) -> tuple[Signal, Signal]:
        """A strobe when the fraction of a peak is known, and the fraction (0 … 63).

        The powers of every peak are latched, unless a measurement is running. `start`, two steps
        after the peak's strobe, starts a measurement of them.
        """
        left, best, right = (
            Signal(payloads.POWER_BITS, name=f"{n}_shifted") for n in ("left", "top", "right")
        )
        over = {n: Signal(name=f"{n}_over") for n in ("left", "right")}
        scaling, busy = Signal(), Signal()
        difference = Signal(signed(17), reset_less=True)
        total = Signal(signed(18), reset_less=True)
        table = ratios(self._spec)
        m.submodules.table = memory = Memory(
            shape=signed(RATIO_BITS + 2), depth=len(table), init=[int(v) for v in table]
        )
        read = memory.read_port()
        m.submodules.product = product = Multiplier(RATIO_BITS + 2, 18)
        index = Signal(6)
        bit = Signal(6)  # one-hot: the bit that is tried
        wait = Signal(7)  # one-hot: table, multiplier, comparison
        below = Signal()
        ready = Signal()
        saturated = {
            n: Mux(over[n], 0xFFFF, v[-16:]) for n, v in (("left", left), ("right", right))
        }
        m.d.comb += [
            read.addr.eq(index | bit),
            read.en.eq(step),
            product.enable.eq(step),
            product.a.eq(read.data),
            product.b.eq(total),
            ready.eq(0),
        ]
        prepare = Signal(2)
        # Registers alone say what becomes of the powers, as they are far from what asks for it:
        # a measurement begins a step late, and sees a shift ahead that it is the last one.
        begin = Signal()
        assert HOLD > 4  # the next peak comes later than that
        with m.If(step):
            m.d.sync += begin.eq(start)
            m.d.sync += [wait.eq(wait << 1), prepare.eq(prepare << 1)]
            with m.If(event & ~busy):
                m.d.sync += [left.eq(powers[0]), best.eq(powers[1]), right.eq(powers[2])]
            with m.If(begin):
                m.d.sync += [over["left"].eq(0), over["right"].eq(0), busy.eq(1)]
                m.d.sync += [scaling.eq(~best[-1]), prepare.eq(best[-1])]
            with m.Elif(scaling):
                m.d.sync += [left.eq(left << 1), best.eq(best << 1), right.eq(right << 1)]
                m.d.sync += [
                    over["left"].eq(over["left"] | left[-1]),
                    over["right"].eq(over["right"] | right[-1]),
                    scaling.eq(~best[-2]),
                    prepare.eq(best[-2]),
                ]
            with m.If(prepare[0]):
                m.d.sync += [
                    difference.eq(saturated["right"] - saturated["left"]),
                    total.eq(saturated["right"] + saturated["left"]),
                    index.eq(0),
                    bit.eq(32),
                    wait.eq(1),
                ]
            # Table in the 1st step after the address, product in the 4th, comparison in the 5th.
            m.d.sync += below.eq((difference << RATIO_BITS) < product.o)
            with m.If(wait[5]):
                with m.If(~below):
                    m.d.sync += index.eq(index | bit)
                m.d.sync += bit.eq(bit >> 1)
                with m.If(bit[0]):
                    m.d.sync += wait.eq(1 << 6)
                with m.Else():
                    m.d.sync += wait.eq(1)
            m.d.comb += ready.eq(wait[6])
            with m.If(ready):
                m.d.sync += busy.eq(0)
        return ready, index
