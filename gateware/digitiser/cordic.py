"""CORDIC: it turns a vector, or finds its angle. Model: `models.digitiser.cordic`."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.primitives import fixedpoint
from shotveil.gateware.primitives.fixedpoint import constrain, overflows, round_shift
from shotveil.gateware.primitives.multiplier import Multiplier
from shotveil.models.common.fixedpoint import Overflow, Rounding
from shotveil.models.digitiser.cordic import (
    ANGLE_GUARD,
    INVERSE_BITS,
    PRODUCT_GUARD,
    angles,
    inverse_gain,
)
from shotveil.models.digitiser.spec import DigitiserSpec


class Cordic(wiring.Component):
    """A pipeline that turns (x, y) by `turn`, or with `vectoring` high measures its angle.

    * `valid`: a vector enters. Only registers whose input holds a vector change. Most clocks bring
      no vector, so this saves power, and time in simulation.
    * `x`, `y`: one bit more than `spec.symbol`; a rotation needs vectors whose quadratures fit it.
    * `u`, `v`: the rotated vector in `spec.symbol`, rounded half to even, `saturated` if limited.
    * `angle`: of the vector, in 2^−phase_bits turn, rounded half to even.
    * All results come `latency` clocks after the input. Throughput: one vector per clock. It takes
      2 multipliers.
    """

    def __init__(self, spec: DigitiserSpec):
        self._spec = spec
        given = signed(spec.symbol.width + 1)
        turn = signed(spec.phase_bits)
        symbol = fixedpoint.shape(spec.symbol)
        super().__init__(
            {
                "valid": In(1),
                "vectoring": In(1),
                "x": In(given),
                "y": In(given),
                "turn": In(turn),
                "u": Out(symbol),
                "v": Out(symbol),
                "saturated": Out(1),
                "angle": Out(turn),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from input to output."""
        # Choice of the quarter, its turn, iterations, product, the way from it, rounding, limits.
        return 2 + self._spec.iterations + Multiplier.LATENCY + 3

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        bits = spec.phase_bits
        inner = signed(spec.symbol.width + 3 + spec.guard_bits)
        wide = bits + ANGLE_GUARD

        # Whether the input of each stage holds a vector. The first registers always change, because
        # `valid` comes late in the clock.
        behind = Signal(self.latency)
        live = Cat(C(1, 1), behind)
        m.d.sync += behind.eq(Cat(self.valid, behind))

        def register(value: Value, shape: object, name: str, stage: int) -> Signal:
            taken = Signal(shape, name=name, reset_less=True)
            with m.If(live[stage]):
                m.d.sync += taken.eq(value)
            return taken

        # Into the range of the iterations: by a quarter turn, or by half a turn.
        nearest = Signal(signed(bits))
        m.d.comb += nearest.eq(self.turn + (1 << (bits - 3)))
        turns = register(Mux(self.vectoring, Cat(C(0, 1), self.x < 0), nearest[-2:]), 2, "turns", 0)
        given = register(self.turn, signed(bits), "given", 0)
        rest = Signal(signed(bits))
        # Below the two bits of the quarter both are the same; above, the difference is one of sign.
        m.d.comb += rest.eq(given - Cat(C(0, bits - 2), turns))
        first = register(self.vectoring, 1, "first", 0)
        x = Signal(inner)
        y = Signal(inner)
        m.d.comb += [
            x.eq(register(self.x, self.x.shape(), "x_given", 0) << spec.guard_bits),
            y.eq(register(self.y, self.y.shape(), "y_given", 0) << spec.guard_bits),
        ]
        swapped_x, swapped_y = Mux(turns[0], y, x), Mux(turns[0], x, y)
        minus_x, minus_y = turns[0] ^ turns[1], turns[1]
        u = register(_add_or_subtract(C(0, inner), swapped_x, minus_x), inner, "u0", 1)
        v = register(_add_or_subtract(C(0, inner), swapped_y, minus_y), inner, "v0", 1)
        start = Mux(
            first,
            Cat(C(0, wide - 1), turns[1]).as_signed(),
            Cat(C(0, ANGLE_GUARD), rest).as_signed(),
        )
        z = register(start, signed(wide), "z0", 1)
        vectoring = register(first, 1, "vectoring0", 1)
        for k, angle in enumerate(angles(spec)):
            stage = 2 + k
            up = Signal(name=f"up{k}")
            m.d.comb += up.eq(Mux(vectoring, v < 0, z >= 0))
            # z includes the half turn, modulo one turn, so its sign has no meaning then.
            next_u = register(_add_or_subtract(u, v >> k, up), inner, f"u{k + 1}", stage)
            next_v = register(_add_or_subtract(v, u >> k, ~up), inner, f"v{k + 1}", stage)
            turned = _add_or_subtract(z, C(angle, signed(wide)), up)
            z = register(turned, signed(wide), f"z{k + 1}", stage)
            vectoring = register(vectoring, 1, f"vectoring{k + 1}", stage)
            u, v = next_u, next_v

        stage = 2 + spec.iterations
        measured = round_shift(z, ANGLE_GUARD, Rounding.HALF_EVEN)
        for late in range(stage, self.latency):
            measured = register(measured, signed(bits), f"angle{late}", late)
        m.d.comb += self.angle.eq(measured)
        limited = []
        for name, w, out in (("u", u, self.u), ("v", v, self.v)):
            narrow = round_shift(w, spec.guard_bits - PRODUCT_GUARD, Rounding.HALF_EVEN)
            m.submodules[f"product_{name}"] = product = Multiplier(18, 18)
            m.d.comb += [
                product.enable.eq(1),
                product.a.eq(narrow),  # which the multiplier's own register takes
                product.b.eq(inverse_gain(spec)),
            ]
            # A register on the way from the multiplier's column to the sum of the rounding.
            late = stage + Multiplier.LATENCY
            exact = register(product.o, product.o.shape(), f"exact_{name}", late)
            scaled = round_shift(exact, INVERSE_BITS + PRODUCT_GUARD, Rounding.HALF_EVEN)
            late += 1
            result = register(scaled, scaled.shape(), f"result_{name}", late)
            with m.If(live[late + 1]):
                m.d.sync += out.eq(constrain(result, spec.symbol, Overflow.SATURATE))
            limited.append(overflows(result, spec.symbol))
        with m.If(live[self.latency - 1]):
            m.d.sync += self.saturated.eq(limited[0] | limited[1])
        return m


def _add_or_subtract(a: Value, b: Value, subtract: Value) -> Value:
    """a − b where `subtract` is high, a + b elsewhere, modulo the width of a, with one adder.

    a − b = a + ~b + 1, and the 1 is a carry from a bit below.
    """
    width = len(a)
    extended = b + C(0, signed(width))
    flipped = extended[:width] ^ subtract.replicate(width)
    return (Cat(C(1, 1), a) + Cat(subtract, flipped))[1 : width + 1].as_signed()
