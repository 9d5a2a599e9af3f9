"""Scaling: multiplication of symbols by the layer's s or by the reference level.

Model: `models.drive.scaling`.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.drive import payloads
from shotveil.gateware.primitives import fixedpoint
from shotveil.gateware.primitives.multiplier import Multiplier
from shotveil.gateware.primitives.pipeline import delay, flow
from shotveil.models.common.fixedpoint import Overflow, Rounding
from shotveil.models.drive.spec import DriveSpec


class Scaling(wiring.Component):
    """o = symbol · scale, or symbol · reference for symbols marked as references.

    * `i`: `spec.symbol`, `o`: `spec.scaled`; `scale` and `reference`: `spec.scale`.
    * The product is exact, then rounded half to even and saturated. A symbol of which either
      quadrature saturated leaves with `fault`.
    * Throughput: one symbol per clock. Latency: `latency` clocks. It takes two multipliers.
    """

    def __init__(self, spec: DriveSpec):
        self._spec = spec
        super().__init__(
            {
                "i": In(stream.Signature(payloads.framed(spec))),
                "o": Out(stream.Signature(payloads.scaled(spec))),
                "scale": In(fixedpoint.shape(spec.scale)),
                "reference": In(fixedpoint.shape(spec.scale)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from symbol to scaled symbol: the multiplier, rounding, saturation."""
        return Multiplier.LATENCY + 2

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        enable = flow(m, self.i, self.o, self.latency)
        factor = Mux(self.i.p.reference, self.reference, self.scale)
        shift = spec.symbol.fraction + spec.scale.fraction - spec.scaled.fraction
        faults = []
        for arm in ("i", "q"):
            m.submodules[f"multiplier_{arm}"] = multiplier = Multiplier(
                spec.symbol.width, spec.scale.width
            )
            m.d.comb += [
                multiplier.enable.eq(enable),
                multiplier.a.eq(self.i.p[arm]),
                multiplier.b.eq(factor),
            ]
            nearest = fixedpoint.round_shift(multiplier.o, shift, Rounding.HALF_EVEN)
            rounded = delay(m, nearest, 1, enable)
            limited = fixedpoint.constrain(rounded, spec.scaled, Overflow.SATURATE)
            m.d.comb += self.o.p[arm].eq(delay(m, limited, 1, enable))
            faults.append(fixedpoint.overflows(rounded, spec.scaled))
        m.d.comb += self.o.p.fault.eq(delay(m, faults[0] | faults[1], 1, enable))
        m.d.comb += self.o.p.first.eq(delay(m, self.i.p.first, self.latency, enable))
        return m
