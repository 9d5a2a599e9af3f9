"""Offset removal and shot-noise units. Model: `models.digitiser.normalisation`."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.primitives import fixedpoint
from shotveil.gateware.primitives.fixedpoint import constrain, overflows, round_shift
from shotveil.gateware.primitives.multiplier import Multiplier
from shotveil.gateware.primitives.pipeline import delay
from shotveil.models.common.fixedpoint import Overflow, Rounding
from shotveil.models.digitiser.normalisation import COUNT_BITS
from shotveil.models.digitiser.spec import SIGNAL_RECORD, VACUUM, VACUUM_RECORD, DigitiserSpec


class Normalisation(wiring.Component):
    """Removes the offset and multiplies by a register: ADC steps in, √SNU out.

    * `i`: framed symbols, `o`: symbols, `latency` clocks later. Throughput: one symbol per clock; a
      symbol that measures the offset takes 3 clocks, so only one of `spec.measures_every` does.
    * `scale_x`, `scale_p`: from calibration, in `spec.scale`.
    * `record`, `offset_shift`: see the model. While `load` is high, the offset is `offset_x`,
      `offset_p` and counts as settled; `measured_x`, `measured_p` show it. Its unit is the
      2^−`offset_guard` part of a step of `spec.filtered`.
    * Values are rounded half to even twice, to `spec.centred` and to `spec.symbol`. Both saturate
      and then set a flag.
    * It takes one multiplier per quadrature.
    """

    latency = 9

    def __init__(self, spec: DigitiserSpec):
        self._spec = spec
        width = spec.filtered.width + spec.offset_guard
        axes = payloads.axes(spec)
        super().__init__(
            {
                "i": In(stream.Signature(payloads.framed(spec))),
                "o": Out(stream.Signature(payloads.symbols(spec))),
                "record": In(2),
                "offset_shift": In(4),
                "load": In(1),
                **{f"scale_{axis}": In(fixedpoint.shape(spec.scale)) for axis in axes},
                **{f"offset_{axis}": In(signed(width)) for axis in axes},
                **{f"measured_{axis}": Out(signed(width)) for axis in axes},
            }
        )

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        guard = spec.offset_guard

        # A symbol that moves the offset stalls the next symbol until the offset has moved.
        valid = Signal(self.latency)
        enable = Signal()
        gap = Signal(2)
        # Where registers move with `enable` anyway, what they take does not wait for it: its way to
        # all of them is long.
        comes = self.i.valid & ~gap.any()
        m.d.comb += [
            enable.eq(self.o.ready | ~valid[-1]),
            self.i.ready.eq(enable & ~gap.any()),
            self.o.valid.eq(valid[-1]),
        ]
        measures = ((self.i.p.kind == VACUUM) & (self.record == SIGNAL_RECORD)) | (
            self.record == VACUUM_RECORD
        )
        if spec.measures_every > 1:
            turn = Signal(range(spec.measures_every))
            with m.If(enable & comes & measures):
                m.d.sync += turn.eq(turn + 1)  # it wraps: the number is a power of two
            with m.If(self.load):
                m.d.sync += turn.eq(0)
            measures = measures & (turn == 0)
        with m.If(enable):
            m.d.sync += [valid.eq(Cat(comes, valid)), gap.eq(Cat(comes & measures, gap))]

        # Counts move in every third clock at most, and what they will be next is known by then.
        seen = Signal(COUNT_BITS)
        following = Signal.like(seen, init=1)
        size = Signal(range(COUNT_BITS + 1))  # bits of the count
        grows = Signal(init=1)  # with the next one
        gain = Signal(4)
        use = Signal(3)  # of the offset's update: follows the symbol
        m.d.sync += [
            following.eq(seen + ~seen.all()),
            grows.eq(following.bit_select(size, 1)),
        ]
        with m.If(enable):
            m.d.sync += [
                use.eq(Cat(comes & measures & ~self.i.p.over & ~self.i.p.lost, use)),
                gain.eq(Mux(size < self.offset_shift, size, self.offset_shift)),
            ]
            with m.If(use[2]):
                m.d.sync += [seen.eq(following), size.eq(size + grows)]
        with m.If(self.load):
            full = (1 << COUNT_BITS) - 1
            m.d.sync += [seen.eq(full), following.eq(full), size.eq(COUNT_BITS), grows.eq(0)]

        limited = []
        for axis in payloads.axes(spec):
            width = spec.filtered.width + guard
            offset = getattr(self, f"measured_{axis}")
            symbol = Signal(fixedpoint.shape(spec.filtered), name=f"symbol_{axis}", reset_less=True)
            difference = Signal(signed(width + 1), name=f"difference_{axis}", reset_less=True)
            change = Signal(signed(width + 1), name=f"change_{axis}", reset_less=True)
            dropped = spec.filtered.fraction + guard - spec.centred.fraction
            near = round_shift(difference, dropped, Rounding.HALF_EVEN)
            rounded = Signal(near.shape(), name=f"rounded_{axis}", reset_less=True)
            centred = Signal(
                fixedpoint.shape(spec.centred), name=f"centred_{axis}", reset_less=True
            )
            far = Signal(name=f"far_{axis}", reset_less=True)
            m.submodules[f"product_{axis}"] = product = Multiplier(
                spec.centred.width, spec.scale.width
            )
            with m.If(enable):
                m.d.sync += [
                    symbol.eq(self.i.p[axis]),
                    difference.eq(Cat(C(0, guard), symbol).as_signed() - offset),
                    rounded.eq(near),
                    change.eq(difference >> gain),
                    centred.eq(constrain(rounded, spec.centred, Overflow.SATURATE)),
                    far.eq(overflows(rounded, spec.centred)),
                ]
                with m.If(use[2]):
                    m.d.sync += offset.eq(offset + change)
            with m.If(self.load):
                m.d.sync += offset.eq(getattr(self, f"offset_{axis}"))
            shift = spec.centred.fraction + spec.scale.fraction - spec.symbol.fraction
            m.d.comb += [
                product.enable.eq(enable),
                product.a.eq(centred),
                product.b.eq(getattr(self, f"scale_{axis}")),
            ]
            nearest = round_shift(product.o, shift, Rounding.HALF_EVEN)
            result = Signal(nearest.shape(), name=f"result_{axis}", reset_less=True)
            with m.If(enable):
                m.d.sync += [
                    result.eq(nearest),
                    self.o.p[axis].eq(constrain(result, spec.symbol, Overflow.SATURATE)),
                ]
            limited.append(
                overflows(result, spec.symbol) | delay(m, far, Multiplier.LATENCY + 1, enable)
            )
        with m.If(enable):
            m.d.sync += self.o.p.saturated.eq(Cat(*limited).any())
        for name in payloads.label(spec):
            m.d.comb += self.o.p[name].eq(delay(m, self.i.p[name], self.latency, enable))
        return m
