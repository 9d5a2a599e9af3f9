"""Phase of the pilots, and de-rotation. Model: `models.digitiser.phase`."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.digitiser import payloads
from gateware.digitiser.cordic import Cordic
from gateware.pipeline import delay
from models.digitiser.phase import COUNT_BITS, SUM_SHIFT
from models.digitiser.spec import PILOT, SIGNAL_RECORD, DigitiserSpec


class State(enum.Enum):
    PASS = 0  # symbols go through
    MEASURE = 1  # a vector enters the CORDIC
    WAIT = 2  # its angle is on the way
    UPDATE = 3  # the angle counts
    REPORT = 4  # the phase is offered to the next block


class Phase(wiring.Component):
    """De-rotates symbols by the phase of the pilots; in homodyne mode only measures it.

    * `i`, `o`: symbols, one a clock; after a pilot (homodyne: a frame) the block pauses until its
      phase is known, `pause` clocks. `latency` clocks otherwise.
    * `phases`: the phase after each pilot (homodyne: of each frame).
    * `record`, `phase_shift`: see the model. `theta`: the phase in use.
    * The CORDIC's 2 multipliers.
    """

    def __init__(self, spec: DigitiserSpec):
        self._spec = spec
        self._cordic = Cordic(spec)
        super().__init__(
            {
                "i": In(stream.Signature(payloads.symbols(spec))),
                "o": Out(stream.Signature(payloads.symbols(spec))),
                "phases": Out(stream.Signature(payloads.phases(spec))),
                "record": In(2),
                "phase_shift": In(3),
                "theta": Out(signed(spec.phase_bits)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from a symbol to its output."""
        return self._cordic.latency if self._spec.quadratures == 2 else 1

    @property
    def pause(self) -> int:
        """Clocks that a measurement takes."""
        return self._cordic.latency + 4

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        m.submodules.cordic = cordic = self._cordic
        two = spec.quadratures == 2
        state = Signal(State)
        valid = Signal(self.latency)
        enable = Signal()
        taken = Signal()
        m.d.comb += [
            enable.eq(self.o.ready | ~valid[-1]),
            self.i.ready.eq(enable & (state == State.PASS)),
            self.o.valid.eq(valid[-1]),
            taken.eq(self.i.ready & self.i.valid),
        ]
        with m.If(enable):
            m.d.sync += valid.eq(Cat(taken, valid))

        # The measurement runs on its own clock enable where symbols do not pass the CORDIC.
        turning = enable if two else 1
        vector = Signal(cordic.latency)
        x, y = Signal.like(cordic.x), Signal.like(cordic.y)
        bad = Signal()
        good = Signal()
        m.d.comb += [
            cordic.enable.eq(turning),
            good.eq(~(self.i.p.lost | self.i.p.over | self.i.p.saturated)),
        ]
        with m.If(turning):
            m.d.sync += vector.eq(Cat(state == State.MEASURE, vector))

        pilot = self.i.p.kind == PILOT
        if two:
            m.d.comb += [
                cordic.vectoring.eq(state == State.MEASURE),
                cordic.x.eq(Mux(state == State.MEASURE, x, self.i.p.x)),
                cordic.y.eq(Mux(state == State.MEASURE, y, self.i.p.p)),
                cordic.turn.eq(-self.theta),
            ]
            with m.If(taken & pilot):
                m.d.sync += [
                    x.eq(Mux(self.i.p.odd, self.i.p.x - self.i.p.p, self.i.p.x + self.i.p.p)),
                    y.eq(Mux(self.i.p.odd, self.i.p.p + self.i.p.x, self.i.p.p - self.i.p.x)),
                    bad.eq(~good),
                    state.eq(State.MEASURE),
                ]
        else:
            width = spec.symbol.width + 6
            even, odd = Signal(signed(width)), Signal(signed(width))
            bad_pilot = Signal()
            m.d.comb += [cordic.vectoring.eq(1), cordic.x.eq(x), cordic.y.eq(y)]
            with m.If(taken & pilot):
                with m.If(self.i.p.odd):
                    m.d.sync += odd.eq(odd + self.i.p.x)
                with m.Else():
                    m.d.sync += even.eq(even + self.i.p.x)
                m.d.sync += bad_pilot.eq(bad_pilot | ~good)
            with m.If(taken & self.i.p.last):
                # The last symbol is no pilot, so the sums are complete.
                m.d.sync += [
                    x.eq((even + odd) >> SUM_SHIFT),
                    y.eq((odd - even) >> SUM_SHIFT),
                    even.eq(0),
                    odd.eq(0),
                    bad_pilot.eq(0),
                    bad.eq(bad_pilot),
                    state.eq(State.MEASURE),
                ]
        seen = Signal(COUNT_BITS)
        size = Signal(4)
        gain = Signal(4)
        m.d.comb += size.eq(0)
        for bit in range(COUNT_BITS):
            with m.If(seen[bit]):
                m.d.comb += size.eq(bit + 1)
        m.d.sync += gain.eq(Mux(size < self.phase_shift, size, self.phase_shift))
        error = Signal(signed(spec.phase_bits), reset_less=True)
        with m.If((state == State.MEASURE) & turning):
            m.d.sync += state.eq(State.WAIT)
        with m.If((state == State.WAIT) & vector[-1] & turning):
            m.d.sync += [error.eq(cordic.angle - self.theta), state.eq(State.UPDATE)]
        with m.If(state == State.UPDATE):
            m.d.sync += state.eq(State.REPORT)
            with m.If((~bad & (self.record == SIGNAL_RECORD)) if two else 1):
                m.d.sync += self.theta.eq(self.theta + ((error >> gain) if two else error))
                if two:
                    m.d.sync += seen.eq(seen + ~seen.all())
        m.d.comb += [
            self.phases.valid.eq(state == State.REPORT),
            self.phases.p.angle.eq(self.theta),
            self.phases.p.bad.eq(bad),
        ]
        with m.If((state == State.REPORT) & self.phases.ready):
            m.d.sync += state.eq(State.PASS)

        label = payloads.label(spec)
        held = {name: delay(m, self.i.p[name], self.latency, enable) for name in label}
        saturated = delay(m, self.i.p.saturated, self.latency, enable)
        m.d.comb += [self.o.p[name].eq(value) for name, value in held.items()]
        if two:
            m.d.comb += [
                self.o.p.x.eq(cordic.u),
                self.o.p.p.eq(cordic.v),
                self.o.p.saturated.eq(saturated | cordic.saturated),
            ]
        else:
            m.d.comb += [
                self.o.p.x.eq(delay(m, self.i.p.x, 1, enable)),
                self.o.p.saturated.eq(saturated),
            ]
        return m
