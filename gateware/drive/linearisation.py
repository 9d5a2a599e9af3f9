"""Linearisation of Mach-Zehnders at null bias. Model and formula: `models.drive.linearisation`."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Value, ValueLike
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.drive import payloads
from shotveil.gateware.primitives import fixedpoint
from shotveil.gateware.primitives.counter import EventCounter
from shotveil.gateware.primitives.multiplier import Multiplier
from shotveil.gateware.primitives.pipeline import delay, flow
from shotveil.models.common.fixedpoint import Overflow, Q, Rounding
from shotveil.models.drive.spec import DriveSpec, arcsine_table

ARMS = ("i", "q")
SLOPE_BITS = 17  # of a chord: both words are as wide as half a block RAM has


class Linearisation(wiring.Component):
    """V = Vπ·φ + bias, φ = (2/π)·arcsin(gain·u), for each arm; in angle mode φ = gain·u.

    * `i`: fields u in `spec.sample`, as a fraction of the largest; `o`: voltages in `spec.voltage`,
      as a fraction of the DAC's full scale.
    * Registers for each arm: `gain_*` (`spec.gain`), `half_wave_*` (Vπ, `spec.half_wave`), `bias_*`
      (`spec.bias`); `angle` chooses the mode.
    * The arcsine is a table of `spec.arcsine_segments` chords. At the default size the field that
      results is within 0.1 LSB of 14 bits up to 99 % of the largest field and within 5 LSB at its
      very end, where the arcsine is vertical.
    * |gain·u| ≥ 1 is out of reach: that arm gets φ = 0, the sample leaves with `fault`, and
      `refused` counts it; `refused_flag` is sticky. `clear` resets both.
    * Every rounding is half to even, except that of the table, which is half away from zero.
    * Throughput: one sample per clock. Latency: `latency` clocks. It takes six multipliers, and
      four block RAMs at the default size.
    """

    def __init__(self, spec: DriveSpec):
        self._spec = spec
        shape = fixedpoint.shape
        super().__init__(
            {
                "i": In(stream.Signature(payloads.shaped(spec))),
                "o": Out(stream.Signature(payloads.voltage(spec))),
                "angle": In(1),
                "clear": In(1),
                **{f"gain_{arm}": In(shape(spec.gain)) for arm in ARMS},
                **{f"half_wave_{arm}": In(shape(spec.half_wave)) for arm in ARMS},
                **{f"bias_{arm}": In(shape(spec.bias)) for arm in ARMS},
                "refused": Out(spec.counter_bits),
                "refused_flag": Out(1),
            }
        )

    # Clocks of the stages: gain (a multiplier and its rounding), magnitude, table (address, read,
    # multiplier, sum), sign, voltage (a multiplier and its rounding).
    _GAIN = Multiplier.LATENCY + 1
    _MAGNITUDE = 1
    _TABLE = 2 + Multiplier.LATENCY + 2
    _SIGN = 1
    _VOLTAGE = Multiplier.LATENCY + 2

    @property
    def latency(self) -> int:
        """Clocks from field to voltage."""
        return self._GAIN + self._MAGNITUDE + self._TABLE + self._SIGN + self._VOLTAGE

    def elaborate(self, platform: object) -> Module:
        m = Module()
        enable = flow(m, self.i, self.o, self.latency)
        refusals = [self._arm(m, arm, enable) for arm in ARMS]
        # A refusal is known after the magnitude; from there it travels with its sample.
        known = self._GAIN + self._MAGNITUDE
        refused = delay(m, refusals[0] | refusals[1], self.latency - known, enable)
        fault = delay(m, self.i.p.fault, self.latency, enable)
        m.submodules.counter = counter = EventCounter(self._spec.counter_bits)
        m.d.comb += [
            self.o.p.fault.eq(refused | fault),
            self.o.p.first.eq(delay(m, self.i.p.first, self.latency, enable)),
            counter.event.eq(refused & self.o.valid & self.o.ready),
            counter.clear.eq(self.clear),
            self.refused.eq(counter.count),
            self.refused_flag.eq(counter.flag),
        ]
        return m

    def _arm(self, m: Module, arm: str, enable: Value) -> Value:
        """Build one arm of the modulator; return the signal of its refusals."""
        spec = self._spec

        def register(value: ValueLike, clocks: int = 1) -> Value:
            return delay(m, value, clocks, enable)

        product = _multiply(m, f"gain_{arm}", self.i.p[arm], getattr(self, f"gain_{arm}"), enable)
        request = register(fixedpoint.round_shift(product, spec.gain.fraction, Rounding.HALF_EVEN))
        size = Mux(request < 0, -request, request).as_unsigned()
        reach = spec.sample.fraction
        beyond = size[reach:].any()
        magnitude = register(Mux(beyond, 0, size[:reach]))
        refused = register(beyond)

        curved = self._arcsine(m, arm, magnitude, enable)
        straight = register(self._align(magnitude), self._TABLE)
        phase_size = Mux(self.angle, straight, curved)
        negative = register(request[-1], self._MAGNITUDE + self._TABLE)
        phase = register(Mux(negative, -phase_size, phase_size)[: spec.phase.width].as_signed())

        half_wave, bias = (getattr(self, f"{name}_{arm}") for name in ("half_wave", "bias"))
        swing = _multiply(m, f"half_wave_{arm}", phase, half_wave, enable)
        fine = spec.half_wave.fraction + spec.phase.fraction
        exact = register(swing + (bias << (fine - spec.bias.fraction)))
        shift = fine - spec.voltage.fraction
        voltage = fixedpoint.round_shift(exact, shift, Rounding.HALF_EVEN)
        m.d.comb += self.o.p[arm].eq(register(voltage))
        return refused

    def _align(self, magnitude: Value) -> Value:
        """A magnitude of `spec.sample` in the units of `spec.phase`, unsigned."""
        spec = self._spec
        shift = spec.sample.fraction - spec.phase.fraction
        rounded = fixedpoint.round_shift(magnitude, shift, Rounding.HALF_UP)
        unsigned = Q(0, spec.phase.fraction, signed=False)
        return fixedpoint.constrain(rounded, unsigned, Overflow.SATURATE)

    def _arcsine(self, m: Module, arm: str, magnitude: Value, enable: Value) -> Value:
        """(2/π)·arcsin of a magnitude from the table of chords, `_TABLE` clocks later."""
        spec = self._spec
        table = arcsine_table(spec)
        bits = spec.segment_bits
        looked_up = []
        for name, words, width in (
            ("value", table.value, table.value_bits),
            ("slope", table.slope, SLOPE_BITS),
        ):
            m.submodules[f"{name}_{arm}"] = memory = Memory(
                shape=width, depth=spec.arcsine_segments, init=[int(word) for word in words]
            )
            port = memory.read_port()
            m.d.comb += [port.addr.eq(magnitude[bits:]), port.en.eq(enable)]
            # A second register, because block RAM is slow to give its word.
            looked_up.append(delay(m, port.data, 1, enable))
        value, slope = looked_up
        inside = delay(m, magnitude[:bits], 2, enable)
        # Both factors are unsigned: a zero on top makes them signed.
        slope, inside = (Cat(factor, C(0, 1)).as_signed() for factor in (slope, inside))
        risen = _multiply(m, f"table_multiplier_{arm}", slope, inside, enable)
        base = delay(m, value, Multiplier.LATENCY, enable)
        exact = delay(m, (base << (table.slope_shift + bits)) + risen, 1, enable)
        fine = table.value_bits + table.slope_shift + bits
        rounded = fixedpoint.round_shift(exact, fine - spec.phase.fraction, Rounding.HALF_UP)
        return delay(m, rounded[: spec.phase.fraction], 1, enable)


def _multiply(m: Module, name: str, a: Value, b: Value, enable: Value) -> Value:
    """The product of two signed values, `Multiplier.LATENCY` clocks later."""
    m.submodules[name] = multiplier = Multiplier(len(a), len(b))
    m.d.comb += [multiplier.enable.eq(enable), multiplier.a.eq(a), multiplier.b.eq(b)]
    return multiplier.o
