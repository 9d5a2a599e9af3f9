"""Pulse shaping: a polyphase interpolating filter. Model: `models.drive.shaping`."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.drive import payloads
from shotveil.gateware.primitives import fixedpoint
from shotveil.gateware.primitives.dsp48 import SUM_WIDTH, Addend, dsp48e1
from shotveil.gateware.primitives.multiplier import Multiplier, Primitive, primitive_of
from shotveil.gateware.primitives.pipeline import delay
from shotveil.models.common.fixedpoint import Overflow, Rounding
from shotveil.models.drive.spec import DriveSpec


class Shaping(wiring.Component):
    """y[nL + p] = Σ_j h[jL + p]·x[n − j], with L = `spec.samples_per_symbol`.

    * `i`: symbols in `spec.scaled`, `o`: samples in `spec.sample`. Throughput: one sample per
      clock, so a symbol is taken every L clocks. Latency: `latency` clocks from a symbol to its
      first sample.
    * Products and sum are exact, then rounded half to even and saturated; the taps that
      `models.signal.pulse.coefficients` makes never saturate. A saturated sample, and the samples
      of a faulty symbol, leave with `fault`.
    * `coefficients`: the taps h[0], h[1], … in `spec.coefficient`. They replace each other as they
      come, so load whole sets, and only while nothing is sent. `rewind`: the next tap is h[0].
      `partial`: the last set is not complete. The pulse of the spec is there from
      the start.
    * It takes 2 · `spec.span` multipliers, and for each pair of them a distributed memory of L
      taps.
    """

    def __init__(self, spec: DriveSpec):
        self._spec = spec
        super().__init__(
            {
                "i": In(stream.Signature(payloads.scaled(spec))),
                "o": Out(stream.Signature(payloads.shaped(spec))),
                "coefficients": In(
                    stream.Signature(fixedpoint.shape(spec.coefficient), always_ready=True)
                ),
                "rewind": In(1),
                "partial": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from a symbol to its first sample."""
        # Delay line, coefficient read, multiplier, adder tree, rounding, saturation.
        return 2 + Multiplier.LATENCY + (self._spec.span - 1).bit_length() + 2

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        length, span = spec.samples_per_symbol, spec.span
        m = Module()

        # The current symbol is sent in L phases; the next one is taken with the last phase.
        phase = Signal(range(length))
        last = Signal()
        present = Signal()
        behind = Signal(self.latency - 1)  # valid bits of the pipeline after the delay line
        enable = Signal()
        m.d.comb += [
            last.eq(phase == length - 1),
            enable.eq(self.o.ready | ~behind[-1]),
            self.i.ready.eq(enable & (~present | last)),
            self.o.valid.eq(behind[-1]),
        ]
        taken = self.i.ready & self.i.valid
        with m.If(enable):
            m.d.sync += behind.eq((behind << 1) | present)
            with m.If(taken):
                m.d.sync += [present.eq(1), phase.eq(0)]
            with m.Elif(last):
                m.d.sync += present.eq(0)
            with m.Else():
                m.d.sync += phase.eq(phase + 1)

        marks = {name: Signal(name=f"{name}_symbol") for name in ("fault", "first")}
        with m.If(taken):
            m.d.sync += [signal.eq(self.i.p[name]) for name, signal in marks.items()]
        after = self.latency - 1
        fault = delay(m, marks["fault"], after - 1, enable)
        first = delay(m, marks["first"] & (phase == 0), after, enable)

        taps = self._taps(m, phase, enable)
        limited = []
        for arm in ("i", "q"):
            # No reset is needed: the symbols of zero between frames empty the line.
            shape = fixedpoint.shape(spec.scaled)
            line = [Signal(shape, reset_less=True, name=f"{arm}_{j}") for j in range(span)]
            with m.If(taken):
                m.d.sync += [s.eq(p) for s, p in zip(line, [self.i.p[arm], *line], strict=False)]
            if primitive_of(platform) is Primitive.ZYNQ:
                sums = self._sums_in_dsp48(m, arm, taps, line, enable)
            else:
                sums = self._products(m, arm, taps, line, enable)
            total = _adder_tree(m, sums, enable)
            shift = spec.scaled.fraction + spec.coefficient.fraction - spec.sample.fraction
            nearest = fixedpoint.round_shift(total, shift, Rounding.HALF_EVEN)
            rounded = delay(m, nearest, 1, enable)
            held = fixedpoint.constrain(rounded, spec.sample, Overflow.SATURATE)
            m.d.comb += self.o.p[arm].eq(delay(m, held, 1, enable))
            limited.append(fixedpoint.overflows(rounded, spec.sample))
        m.d.comb += [
            self.o.p.fault.eq(delay(m, limited[0] | limited[1] | fault, 1, enable)),
            self.o.p.first.eq(first),
        ]
        return m

    def _products(
        self, m: Module, arm: str, taps: list[Value], line: list[Signal], enable: Value
    ) -> list[Value]:
        """The product of each tap and symbol."""
        spec = self._spec
        products: list[Value] = []
        for j, (tap, symbol) in enumerate(zip(taps, line, strict=True)):
            m.submodules[f"multiplier_{arm}_{j}"] = multiplier = Multiplier(
                spec.coefficient.width, spec.scaled.width
            )
            m.d.comb += [
                multiplier.enable.eq(enable),
                multiplier.a.eq(tap),
                multiplier.b.eq(delay(m, symbol, 1, enable)),
            ]
            products.append(multiplier.o)
        return products

    def _sums_in_dsp48(
        self, m: Module, arm: str, taps: list[Value], line: list[Signal], enable: Value
    ) -> list[Value]:
        """The sums of two products each: the first level of the adder tree, in DSP blocks.

        The second block of a pair has one more register in front of its multiplier, so that the sum
        of the first block is there when it adds. So has a last one that is alone.
        """
        spec = self._spec
        width = spec.coefficient.width + spec.scaled.width + 1
        sums: list[Value] = []
        cascade = None
        for j, (tap, symbol) in enumerate(zip(taps, line, strict=True)):
            ends = j % 2 == 1 or j == spec.span - 1
            addend = Addend.NOTHING if cascade is None else Addend.BELOW
            above = None if ends else Signal(SUM_WIDTH, name=f"cascade_{arm}_{j}")
            total = Signal(SUM_WIDTH, name=f"total_{arm}_{j}")
            m.submodules[f"sum_{arm}_{j}"] = dsp48e1(
                tap, delay(m, symbol, 1, enable), enable, total,
                addend=addend, below=cascade, above=above, input_registers=2 if ends else 1,
            )  # fmt: skip
            cascade = above
            if ends:
                sums.append(total[:width].as_signed())
        return sums

    def _taps(self, m: Module, phase: Signal, enable: Signal) -> list[Value]:
        """The taps of a phase, one clock later: h[phase], h[L + phase], …"""
        spec = self._spec
        length = spec.samples_per_symbol
        start = spec.pulse().reshape(spec.span, length)
        shape = fixedpoint.shape(spec.coefficient)
        # Where the next coefficient goes.
        column = Signal(range(length))
        row = Signal(range(spec.span))
        with m.If(self.coefficients.valid):
            m.d.sync += column.eq(column + 1)
            m.d.sync += self.partial.eq(1)
            with m.If(column == length - 1):
                m.d.sync += [column.eq(0), row.eq(Mux(row == spec.span - 1, 0, row + 1))]
                with m.If(row == spec.span - 1):
                    m.d.sync += self.partial.eq(0)
        with m.If(self.rewind):
            m.d.sync += [column.eq(0), row.eq(0)]
        taps: list[Value] = []
        for j in range(spec.span):
            m.submodules[f"taps_{j}"] = memory = Memory(
                shape=shape, depth=length, init=[int(tap) for tap in start[j]]
            )
            write = memory.write_port()
            read = memory.read_port(domain="comb")
            m.d.comb += [
                write.addr.eq(column),
                write.data.eq(self.coefficients.payload),
                write.en.eq(self.coefficients.valid & (row == j)),
                read.addr.eq(phase),
            ]
            taps.append(delay(m, read.data, 1, enable))
        return taps


def _adder_tree(m: Module, terms: list[Value], enable: Signal) -> Value:
    """The exact sum of the terms after ⌈log2(number of terms)⌉ clocks."""
    while len(terms) > 1:
        sums: list[Value] = []
        for pair in zip(terms[::2], [*terms[1::2], None], strict=False):
            a, b = pair
            total = a if b is None else a + b
            sums.append(delay(m, total, 1, enable))
        terms = sums
    return terms[0]
