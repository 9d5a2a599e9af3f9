"""Matched filter at symbol rate. Model: `models.digitiser.matched`."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.primitives import fixedpoint
from shotveil.gateware.primitives.dsp48 import SUM_WIDTH, Addend, dsp48e1
from shotveil.gateware.primitives.fixedpoint import round_shift
from shotveil.gateware.primitives.memory import NO_COLLISIONS
from shotveil.gateware.primitives.multiplier import Multiplier, Primitive, primitive_of
from shotveil.gateware.primitives.pipeline import delay
from shotveil.models.common.fixedpoint import Rounding
from shotveil.models.digitiser.spec import DigitiserSpec

# Steps from a sample to its products: memory, its output register, multiplier, and a register on
# the way from the multiplier's column to the sums, which is long.
AHEAD = 2 + Multiplier.LATENCY + 1


class MatchedFilter(wiring.Component):
    """y = Σ_n h[n]·s[n] for each symbol's 32 samples, computed while they pass.

    Each sample belongs to `spec.span` symbols, and is multiplied with so many taps, one of each; as
    many sums move on by one symbol with its last sample.

    * `i`: placed samples; `o`: a symbol with each symbol's last sample. It never stalls. Latency:
      `latency` steps from a symbol's last sample.
    * Sums are exact, then rounded half to even to `spec.filtered`, which holds any sum.
    * `coefficients`: 64 × 32 taps, fraction by fraction, in `spec.coefficient`; load whole sets.
      `rewind`: the next tap is the first. `partial`: the last set is not complete; a reset does not
      change that.
    * It takes `spec.span` multipliers per quadrature, and as many memories that hold 2048 taps
      together.
    """

    latency = 8

    def __init__(self, spec: DigitiserSpec, always_valid: bool = False):
        self._spec = spec
        super().__init__(
            {
                "i": In(
                    stream.Signature(
                        payloads.placed(spec), always_ready=True, always_valid=always_valid
                    )
                ),
                "o": Out(stream.Signature(payloads.filtered(spec), always_ready=True)),
                "coefficients": In(
                    stream.Signature(fixedpoint.shape(spec.coefficient), always_ready=True)
                ),
                "rewind": In(1),
                "partial": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        span, symbol = spec.span, spec.samples_per_symbol
        m = Module()
        step = self.i.valid
        payload = self.i.p

        # Taps: the memory of tap group k holds h[Lk + phase] of all fractions. A tap's number has
        # the phase in its lowest bits, then the group, then the fraction.
        table = spec.coefficients().reshape(spec.fractions, span, symbol)
        group = (symbol - 1).bit_length()
        fraction = group + (span - 1).bit_length()
        place = Signal(11)
        partial = Signal(reset_less=True)
        m.d.comb += self.partial.eq(partial)
        # The memories are written a clock later, from registers: they lie far from each other.
        loaded = Signal(fixedpoint.shape(spec.coefficient), reset_less=True)
        where = Signal(11, reset_less=True)
        loads = Signal(span)
        m.d.sync += [
            loaded.eq(self.coefficients.payload),
            where.eq(place),
            loads.eq(Mux(self.coefficients.valid, 1 << place[group:fraction], 0)),
        ]
        with m.If(self.coefficients.valid):
            m.d.sync += [place.eq(place + 1), partial.eq(~place.all())]
        with m.If(self.rewind):
            m.d.sync += place.eq(0)
        taps = []
        for k in range(span):
            m.submodules[f"taps_{k}"] = memory = Memory(
                shape=fixedpoint.shape(spec.coefficient),
                depth=spec.fractions * symbol,
                init=[int(tap) for tap in table[:, k].ravel()],
                attrs=NO_COLLISIONS,  # no symbol counts that passes while taps are loaded
            )
            write = memory.write_port()
            read = memory.read_port()
            m.d.comb += [
                write.addr.eq(Cat(where[:group], where[fraction:])),
                write.data.eq(loaded),
                write.en.eq(loads[k]),
                read.addr.eq(Cat(payload.phase, payload.fraction)),
                read.en.eq(step),
            ]
            tap = Signal(fixedpoint.shape(spec.coefficient), name=f"tap_{k}", reset_less=True)
            with m.If(step):
                m.d.sync += tap.eq(read.data)
            taps.append(tap)

        begins = delay(m, payload.mark, AHEAD, step)
        ends = delay(m, payload.phase == symbol - 1, AHEAD, step)
        totals = {}
        for axis in payloads.axes(spec):
            late = delay(m, payload[axis], 2, step)
            add = self._in_dsp48 if primitive_of(platform) is Primitive.ZYNQ else self._in_fabric
            totals[axis] = add(m, axis, taps, late, begins, ends)

        # A flag of any sample in a symbol's window becomes a flag of the symbol.
        flags = {}
        for name in ("mark", "lost", "over"):
            given = delay(m, payload[name] & (payload.mark | (name == "over")), AHEAD, step)
            line = [Signal(name=f"{name}_{k}") for k in range(span)]
            before = [line[0] & ~begins, *line[1:]]
            # A mark belongs only to the symbol that begins with it.
            now = [b | (given if name == "over" or k == 0 else 0) for k, b in enumerate(before)]
            flag = Signal(name=f"{name}_total")
            with m.If(step):
                with m.If(ends):
                    m.d.sync += [flag.eq(now[-1]), Cat(line).eq(Cat(0, *now[:-1]))]
                with m.Else():
                    m.d.sync += Cat(line).eq(Cat(*now))
            flags[name] = flag
        finished = Signal()
        with m.If(step):
            m.d.sync += finished.eq(ends)

        dropped = spec.coefficient.fraction - spec.filtered.fraction
        with m.If(step):
            for axis, total in totals.items():
                m.d.sync += self.o.p[axis].eq(round_shift(total, dropped, Rounding.HALF_EVEN))
            for name, flag in flags.items():
                m.d.sync += self.o.p[name].eq(flag)
        m.d.sync += self.o.valid.eq(step & finished)
        return m

    def _in_fabric(
        self, m: Module, axis: str, taps: list[Signal], sample: Value, begins: Value, ends: Value
    ) -> Value:
        """The sum of a symbol that ended, from multipliers and adders."""
        spec, step = self._spec, self.i.valid
        # Without reset: a frame's first symbol begins with a mark, and takes none of what was.
        sums = [
            Signal(signed(self._width), name=f"sum_{axis}_{k}", reset_less=True)
            for k in range(spec.span)
        ]
        following = []
        for k, tap in enumerate(taps):
            m.submodules[f"product_{axis}_{k}"] = multiplier = Multiplier(
                spec.coefficient.width, spec.adc_bits
            )
            m.d.comb += [
                multiplier.enable.eq(step),
                multiplier.a.eq(tap),
                multiplier.b.eq(sample),
            ]
            before = Mux(begins, 0, sums[k]) if k == 0 else sums[k]
            following.append(before + delay(m, multiplier.o, 1, step))
        total = Signal(signed(self._width), name=f"total_{axis}", reset_less=True)
        with m.If(step):
            with m.If(ends):
                m.d.sync += total.eq(following[-1])
                m.d.sync += sums[0].eq(0)
                m.d.sync += [s.eq(f) for s, f in zip(sums[1:], following, strict=False)]
            with m.Else():
                m.d.sync += [s.eq(f) for s, f in zip(sums, following, strict=True)]
        return total

    def _in_dsp48(
        self, m: Module, axis: str, taps: list[Signal], sample: Value, begins: Value, ends: Value
    ) -> Value:
        """The same from a column of DSP blocks of Zynq-7000, where a sum moves on by the cascade.

        It needs no lookup table, so that a node with its store fits the smallest device.
        """
        step = self.i.valid
        # A block has its sum after `AHEAD` steps. What it adds is chosen two steps before.
        begin = delay(m, self.i.p.mark, AHEAD - 2, step)
        ended = delay(m, self.i.p.phase == self._spec.samples_per_symbol - 1, AHEAD - 1, step)
        first = Mux(ended | begin, Addend.NOTHING, Addend.SUM)
        others = Mux(ended, Addend.BELOW, Addend.SUM)
        below = None
        for k, tap in enumerate(taps):
            addend = Signal(3, name=f"addend_{axis}_{k}")
            sums = Signal(SUM_WIDTH, name=f"sum_{axis}_{k}")
            above = Signal(SUM_WIDTH, name=f"cascade_{axis}_{k}")
            m.d.comb += addend.eq(first if k == 0 else others)
            m.submodules[f"sum_{axis}_{k}"] = dsp48e1(
                tap, sample, step, sums, addend=addend, below=below, above=above, input_registers=2
            )
            below = above
        total = Signal(signed(self._width), name=f"total_{axis}", reset_less=True)
        with m.If(step & ends):
            m.d.sync += total.eq(sums)
        return total

    @property
    def _width(self) -> int:
        """Bits of an exact sum."""
        return self._spec.adc_bits + self._spec.coefficient.width + 3
