"""The phase lock of homodyne mode, a PI loop. Model: `models.digitiser.phase_lock`."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.primitives.multiplier import Multiplier
from shotveil.models.digitiser.phase_lock import COUNT_BITS, GAIN_BITS, STEADY
from shotveil.models.digitiser.spec import DigitiserSpec


class PhaseLock(wiring.Component):
    """DAC codes for the phase shifter in the local oscillator, one for each good frame.

    * `i`: phases; `o`: codes of 14 bits, `latency` clocks after their phase. The converter takes
      every code as it comes.
    * `ki`, `kp`, `setpoint`, `window`, `span`: see the model. `locked`: the loop is steady.
    * All is modulo one turn, so nothing saturates. One multiplier is used three times per phase.
    """

    latency = 18

    def __init__(self, spec: DigitiserSpec):
        self._spec = spec
        bits = spec.phase_bits
        super().__init__(
            {
                "i": In(stream.Signature(payloads.phases(spec))),
                "o": Out(stream.Signature(14, always_ready=True)),
                "ki": In(GAIN_BITS),
                "kp": In(GAIN_BITS),
                "setpoint": In(signed(bits)),
                "window": In(bits - 1),
                "span": In(14),
                "locked": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self._spec.phase_bits
        m.submodules.product = product = Multiplier(GAIN_BITS + 1, bits + 1)
        error = Signal(signed(bits))
        integral = Signal(32)
        total = Signal(32)
        size = Signal(bits)
        within = Signal()
        steady = Signal(range(STEADY + 1))
        # Gears: the gain falls with the number of good frames until it reaches the register's.
        seen = Signal(COUNT_BITS)
        coarse = Signal(GAIN_BITS, init=(1 << GAIN_BITS) - 1)
        ki, kp = Signal(GAIN_BITS), Signal(GAIN_BITS)
        full = Const((1 << GAIN_BITS) - 1, GAIN_BITS)
        m.d.sync += coarse.eq(full)
        for bit in range(COUNT_BITS):
            with m.If(seen[bit]):
                m.d.sync += coarse.eq(full >> (bit + 1))
        m.d.sync += [ki.eq(self.ki), kp.eq(self.kp)]
        with m.If(coarse > self.ki):
            m.d.sync += [ki.eq(coarse), kp.eq(0)]
        # Time since a phase was taken; products appear four clocks after their factors.
        clock = Signal(self.latency)
        busy = Signal()  # while it runs
        m.d.comb += [
            product.enable.eq(1),
            self.i.ready.eq(~busy),
            self.locked.eq(steady == STEADY),
        ]
        taken = self.i.valid & self.i.ready
        m.d.sync += [clock.eq(clock << 1), self.o.valid.eq(clock[-2])]
        with m.If(clock[-1]):
            m.d.sync += busy.eq(0)
        with m.If(taken):
            with m.If(self.i.p.bad):
                m.d.sync += [steady.eq(0), seen.eq(0)]
            with m.Else():
                m.d.sync += [error.eq(self.i.p.angle - self.setpoint), clock.eq(1), busy.eq(1)]
        with m.If(clock[0]):
            m.d.sync += size.eq(Mux(error < 0, -error, error))
        with m.If(clock[1]):
            m.d.sync += within.eq(size <= self.window)
        with m.If(clock[2]):
            m.d.sync += steady.eq(Mux(within, Mux(steady == STEADY, STEADY, steady + 1), 0))
        with m.If(clock[:5].any()):
            m.d.comb += [product.a.eq(ki), product.b.eq(error)]
        with m.Elif(clock[5:10].any()):
            m.d.comb += [product.a.eq(kp), product.b.eq(error)]
        with m.Else():
            m.d.comb += [product.a.eq(self.span), product.b.eq(total[16:])]
        with m.If(clock[4]):
            m.d.sync += integral.eq(integral + product.o)
        with m.If(clock[9]):
            m.d.sync += total.eq(integral + product.o)
        # Counted once both gains have been used; they follow two clocks later.
        with m.If(clock[10]):
            m.d.sync += seen.eq(seen + ~seen.all())
        with m.If(clock[14]):
            m.d.sync += self.o.p.eq(product.o >> 16)
        return m
