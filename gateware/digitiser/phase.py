"""Phase of the pilots, and de-rotation of the symbols. Model: `models.digitiser.phase`."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.digitiser.cordic import Cordic
from shotveil.gateware.primitives.memory import DeepFifo
from shotveil.gateware.primitives.pipeline import delay
from shotveil.gateware.primitives.stage import Stage, read
from shotveil.models.digitiser.phase import COUNT_BITS, SUM_SHIFT
from shotveil.models.digitiser.spec import PILOT, SIGNAL_RECORD, DigitiserSpec


class TrackingState(enum.Enum):
    PASS = 0  # symbols go through
    MEASURE = 1  # a vector enters the CORDIC
    WAIT = 2  # its angle is on the way
    UPDATE = 3  # the angle updates the estimate
    REPORT = 4  # the phase is offered to the next block


class Phase(wiring.Component):
    """De-rotates symbols by the phase of the pilots; in homodyne mode it only measures the phase.

    * `i`, `o`: symbols, one per clock. After a pilot (homodyne: a frame) the block pauses for
      `pause` clocks, until the phase is known. Latency: `latency` clocks of pipeline, followed by a
      queue of `spec.symbol_fifo` symbols.
    * `phases`: the phase after each pilot (homodyne: of each frame).
    * `record`, `phase_shift`: see the model. `theta`: the phase in use.
    * It takes the 2 multipliers of the CORDIC.
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
        """Clocks from a symbol to the queue."""
        return self._cordic.latency if self._spec.quadratures == 2 else 1

    @property
    def pause(self) -> int:
        """Clocks that a measurement takes."""
        return self._cordic.latency + 3

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        m.submodules.cordic = cordic = self._cordic
        two = spec.quadratures == 2
        state = Signal(TrackingState)
        taken = Signal()
        # The pipeline never stops. Its results go to a queue, and symbols are taken only while the
        # queue has room for all symbols in the pipeline.
        layout = payloads.symbols(spec)
        depth = spec.symbol_fifo
        m.submodules.queue = queue = DeepFifo(width=Shape.cast(layout).width, depth=depth)
        result = Signal(layout)
        room = Signal()
        valid = Signal(self.latency)
        m.d.sync += [
            room.eq(queue.w_level < depth - self.latency - 5),
            valid.eq(Cat(taken, valid)),
        ]
        m.d.comb += [
            self.i.ready.eq(room & (state == TrackingState.PASS)),
            taken.eq(self.i.ready & self.i.valid),
            queue.w_data.eq(result),
            queue.w_en.eq(valid[-1]),
        ]
        m.submodules.stage = stage = Stage(layout)
        read(m, queue, stage)
        connect(m, stage.o, flipped(self.o))

        vector = Signal(cordic.latency)
        x, y = Signal.like(cordic.x), Signal.like(cordic.y)
        bad = Signal()
        opposite = Signal()  # the pilot is one of the opposite ones: its angle is half a turn off
        good = Signal()
        back = Signal.like(self.theta)  # −θ
        m.d.comb += [
            good.eq(~(self.i.p.lost | self.i.p.over | self.i.p.saturated)),
        ]
        m.d.sync += [vector.eq(Cat(state == TrackingState.MEASURE, vector)), back.eq(-self.theta)]

        pilot = self.i.p.kind == PILOT
        odd_pilot = self.i.p.index[0]
        if two:
            m.d.comb += [
                cordic.valid.eq(taken | (state == TrackingState.MEASURE)),
                cordic.vectoring.eq(state == TrackingState.MEASURE),
                cordic.x.eq(Mux(state == TrackingState.MEASURE, x, self.i.p.x)),
                cordic.y.eq(Mux(state == TrackingState.MEASURE, y, self.i.p.p)),
                cordic.turn.eq(back),
            ]
            with m.If(taken & pilot):
                m.d.sync += [
                    x.eq(Mux(odd_pilot, self.i.p.x - self.i.p.p, self.i.p.x + self.i.p.p)),
                    y.eq(Mux(odd_pilot, self.i.p.p + self.i.p.x, self.i.p.p - self.i.p.x)),
                    bad.eq(~good),
                    opposite.eq(self.i.p.index[1]),
                    state.eq(TrackingState.MEASURE),
                ]
        else:
            width = spec.symbol.width + 6
            even, odd = Signal(signed(width)), Signal(signed(width))
            shown = Mux(self.i.p.index[1], -self.i.p.x, self.i.p.x)
            bad_pilot = Signal()
            m.d.comb += [
                cordic.valid.eq(state == TrackingState.MEASURE),
                cordic.vectoring.eq(1),
                cordic.x.eq(x),
                cordic.y.eq(y),
            ]
            with m.If(taken & pilot):
                with m.If(odd_pilot):
                    m.d.sync += odd.eq(odd + shown)
                with m.Else():
                    m.d.sync += even.eq(even + shown)
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
                    state.eq(TrackingState.MEASURE),
                ]
        seen = Signal(COUNT_BITS)
        size = Signal(4)
        gain = Signal(4)
        m.d.comb += size.eq(0)
        for bit in range(COUNT_BITS):
            with m.If(seen[bit]):
                m.d.comb += size.eq(bit + 1)
        m.d.sync += gain.eq(Mux(size < self.phase_shift, size, self.phase_shift))
        # θ, less half a step of what will be shifted: the shift then rounds to the nearest. It is
        # there long before the angle comes.
        aim = Signal.like(self.theta, reset_less=True)
        m.d.sync += aim.eq(self.theta - ((1 << gain) >> 1) if two else self.theta)
        half_turn = opposite << (spec.phase_bits - 1)
        error = Signal(signed(spec.phase_bits), reset_less=True)
        with m.If(state == TrackingState.MEASURE):
            m.d.sync += state.eq(TrackingState.WAIT)
        with m.If((state == TrackingState.WAIT) & vector[-1]):
            m.d.sync += [error.eq((cordic.angle ^ half_turn) - aim), state.eq(TrackingState.UPDATE)]
        with m.If(state == TrackingState.UPDATE):
            m.d.sync += state.eq(TrackingState.REPORT)
            with m.If((~bad & (self.record == SIGNAL_RECORD)) if two else 1):
                m.d.sync += self.theta.eq(self.theta + ((error >> gain) if two else error))
                if two:
                    m.d.sync += seen.eq(seen + ~seen.all())
        m.d.comb += [
            self.phases.valid.eq(state == TrackingState.REPORT),
            self.phases.p.angle.eq(self.theta),
            self.phases.p.bad.eq(bad),
        ]
        with m.If((state == TrackingState.REPORT) & self.phases.ready):
            m.d.sync += state.eq(TrackingState.PASS)

        def late(value: Value) -> Value:
            return delay(m, value, self.latency, 1)

        m.d.comb += [result[name].eq(late(self.i.p[name])) for name in payloads.label(spec)]
        saturated = late(self.i.p.saturated)
        if two:
            m.d.comb += [
                result.x.eq(cordic.u),
                result.p.eq(cordic.v),
                result.saturated.eq(saturated | cordic.saturated),
            ]
        else:
            m.d.comb += [result.x.eq(late(self.i.p.x)), result.saturated.eq(saturated)]
        return m
