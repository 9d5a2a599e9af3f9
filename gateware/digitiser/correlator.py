"""Preamble correlation at every sample. Model: `models.digitiser.correlator`."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.digitiser.delay_line import DelayLine
from shotveil.gateware.digitiser.payloads import forward_valid
from shotveil.gateware.primitives.fixedpoint import round_shift
from shotveil.gateware.primitives.multiplier import Multiplier
from shotveil.gateware.primitives.pipeline import delay
from shotveil.models.common.fixedpoint import Rounding
from shotveil.models.digitiser.correlator import dropped
from shotveil.models.digitiser.spec import PREAMBLE, DigitiserSpec


class Correlator(wiring.Component):
    """Power of the correlation with the preamble, and whether it is a hit.

    * `i`: samples; `o`: for each, the power of the sample `LAG` before it. It never stalls.
    * `minimum`: least power of a hit.
    * Sums are exact; the boxcar is rounded half to even to 12 bits.
    * It takes 2 multipliers per quadrature, and 16 delays of a symbol for each diagonal.
    """

    LAG = 12

    def __init__(self, spec: DigitiserSpec, always_valid: bool = False):
        self._spec = spec
        super().__init__(
            {
                "i": In(
                    stream.Signature(
                        payloads.samples(spec), always_ready=True, always_valid=always_valid
                    )
                ),
                "o": Out(
                    stream.Signature(
                        payloads.CORRELATION, always_ready=True, always_valid=always_valid
                    )
                ),
                "minimum": In(payloads.POWER_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        step = self.i.valid
        bits = spec.adc_bits - 2
        symbol = spec.samples_per_symbol

        def register(value: Value, name: str) -> Signal:
            taken = Signal(value.shape(), name=name, reset_less=True)
            with m.If(step):
                m.d.sync += taken.eq(value)
            return taken

        def multiply(a: Value, b: Value, name: str) -> Value:
            m.submodules[name] = multiplier = Multiplier(len(a), len(b))
            m.d.comb += [multiplier.enable.eq(step), multiplier.a.eq(a), multiplier.b.eq(b)]
            return multiplier.o

        # Boxcar: three clocks.
        boxes: dict[str, Signal] = {}
        for axis in payloads.axes(spec):
            x = self.i.p[axis]
            pair = register(x + delay(m, x, 1, step), f"pair_{axis}")
            # Two samples are a whole symbol, or half of one.
            whole = pair if symbol == 2 else pair + delay(m, pair, 2, step)
            total = register(whole, f"total_{axis}")
            rounded = round_shift(total, dropped(spec), Rounding.HALF_EVEN)
            top = (1 << (bits - 1)) - 1
            box = Signal(signed(bits), name=f"box_{axis}", reset_less=True)
            with m.If(step):
                m.d.sync += box.eq(Mux(rounded > top, top, rounded))
            boxes[axis] = box

        # Energy, in the 9th clock.
        squares = [multiply(box, box, f"square_{axis}") for axis, box in boxes.items()]
        square = register(sum(squares[1:], squares[0]).as_unsigned(), "square")
        m.submodules.window = window = DelayLine(len(square), symbol * PREAMBLE)
        m.d.comb += [window.enable.eq(step), window.i.eq(square)]
        change = register(square - window.o, "change")
        energy = Signal(len(square) + 4)
        with m.If(step):
            m.d.sync += energy.eq(energy_before(m, energy, symbol, step) + change)

        # Sums over the code, in the 8th clock.
        a, c = (row.tolist() for row in spec.code)
        newest_first = range(PREAMBLE - 1, -1, -1)
        if spec.quadratures == 2:
            u = self._line(m, register(boxes["x"] + boxes["p"], "u"), step)
            v = self._line(m, register(boxes["x"] - boxes["p"], "v"), step)
            re, im = [], []
            for at, k in enumerate(newest_first):
                along, across = (u[at], v[at]) if a[k] == c[k] else (v[at], u[at])
                re.append((a[k], along))
                im.append((-a[k] if a[k] == c[k] else a[k], across))
        else:
            u = self._line(m, register(boxes["x"], "u"), step)
            re = [(a[k], u[at]) for at, k in enumerate(newest_first) if a[k] == c[k]]
            im = [(a[k], u[at]) for at, k in enumerate(newest_first) if a[k] != c[k]]
        first = _tree(m, re, step, 4)
        second = _tree(m, im, step, 4)
        # Homodyne sums 4 symbols here, so three times that still fits a factor. Behind the product
        # the adder would be in the way, and a `*` becomes a second multiplier without registers.
        weighted = second if spec.quadratures == 2 else ((second << 1) + second)[: len(second)]
        powers = [
            multiply(s, w, f"power_{n}")
            for n, s, w in (("re", first, first), ("im", second, weighted.as_signed()))
        ]
        power = register((powers[0] + powers[1]).as_unsigned()[: payloads.POWER_BITS], "power")
        before = delay(m, energy, 2, step)
        half = before << 4 if spec.quadratures == 2 else (before << 2) + (before << 1)
        bound = register(half, "bound")
        coherent = register(power > bound, "coherent")
        strong = register(power >= self.minimum, "strong")
        with m.If(step):
            m.d.sync += self.o.p.power.eq(power)
        m.d.comb += self.o.p.hit.eq(coherent & strong)
        forward_valid(m, self.i, self.o)
        return m

    def _line(self, m: Module, value: Value, step: Value) -> list[Value]:
        """The value now, a symbol ago, two symbols ago, …"""
        taps: list[Value] = [value]
        for _ in range(PREAMBLE - 1):
            for _ in range(self._spec.samples_per_symbol):
                register = Signal(value.shape(), reset_less=True)
                with m.If(step):
                    m.d.sync += register.eq(value)
                value = register
            taps.append(value)
        return taps


def energy_before(m: Module, energy: Signal, symbol: int, step: Value) -> Value:
    """The energy of `symbol` steps before the one that is being computed."""
    value: Value = energy
    for _ in range(symbol - 1):
        register = Signal(energy.shape(), reset_less=True)
        with m.If(step):
            m.d.sync += register.eq(value)
        value = register
    return value


def _tree(m: Module, terms: list[tuple[int, Value]], step: Value, levels: int) -> Value:
    """The signed sum of the terms after `levels` steps."""
    values: list[Value] = []
    for index in range(0, len(terms), 2):
        pair = terms[index : index + 2]
        values.append(sum((v if s > 0 else -v for s, v in pair[1:]), _signed(*pair[0])))
    for level in range(levels):
        registers: list[Value] = []
        for value in values:
            taken = Signal(value.shape(), name=f"level{level}", reset_less=True)
            with m.If(step):
                m.d.sync += taken.eq(value)
            registers.append(taken)
        values = [sum(registers[k + 1 : k + 2], registers[k]) for k in range(0, len(registers), 2)]
    # 18 bits hold 16 symbols; the expressions above are wider than their values.
    total = Signal(signed(18))
    m.d.comb += total.eq(values[0])
    return total


def _signed(sign: int, value: Value) -> Value:
    return value if sign > 0 else -value
