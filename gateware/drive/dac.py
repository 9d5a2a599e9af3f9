"""DAC formatting, and the switch that sets the output to zero. Model: `models.drive.dac`."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.drive import payloads
from shotveil.gateware.primitives import fixedpoint
from shotveil.gateware.primitives.counter import EventCounter
from shotveil.models.common.fixedpoint import Overflow, Rounding
from shotveil.models.drive.spec import DriveSpec


class Dac(wiring.Component):
    """Converts voltages to codes of `spec.dac_bits` for a DAC that takes one pair every clock.

    * `i`: voltages in `spec.voltage`, always taken; `o`: signed codes, always valid. Codes are
      rounded half to even and saturate; `saturated` counts the pairs that saturated, and
      `saturated_flag` is sticky.
    * `arm`: while low, codes are zero. While high, codes flow from the next start of a frame on
      (`armed`), so no torn frame leaves.
    * A fault sets the output to zero, from the faulty pair on, until `arm` goes low and high again;
      `tripped` is high meanwhile. Faults are a pair marked with `fault` (if `stop_on_fault`), a
      pair that saturates (if `stop_on_saturation`), and a clock without a pair while armed, which
      `starved` counts.
    * `clear` resets counters and sticky flags. Counters count only while armed.
    * Latency: `latency` clocks. It takes no multiplier.
    """

    def __init__(self, spec: DriveSpec):
        self._spec = spec
        super().__init__(
            {
                "i": In(stream.Signature(payloads.voltage(spec), always_ready=True)),
                "o": Out(
                    stream.Signature(payloads.code(spec), always_valid=True, always_ready=True)
                ),
                "arm": In(1),
                "clear": In(1),
                "stop_on_fault": In(1),
                "stop_on_saturation": In(1),
                "armed": Out(1),
                "tripped": Out(1),
                "saturated": Out(spec.counter_bits),
                "saturated_flag": Out(1),
                "starved": Out(spec.counter_bits),
                "starved_flag": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from voltage to code: rounding, saturation, switch."""
        return 3

    def elaborate(self, platform: object) -> Module:
        spec = self._spec
        m = Module()
        shift = spec.voltage.fraction - spec.dac.fraction
        codes = []
        over = []
        for arm in ("i", "q"):
            nearest = fixedpoint.round_shift(self.i.p[arm], shift, Rounding.HALF_EVEN)
            rounded = Signal(nearest.shape(), reset_less=True, name=f"rounded_{arm}")
            limited = Signal(fixedpoint.shape(spec.dac), reset_less=True, name=f"limited_{arm}")
            m.d.sync += [
                rounded.eq(nearest),
                limited.eq(fixedpoint.constrain(rounded, spec.dac, Overflow.SATURATE)),
            ]
            codes.append(limited)
            over.append(fixedpoint.overflows(rounded, spec.dac))

        # Flags that travel with the pair; `valid` has a reset so that start-up does not count as
        # starvation.
        valid = Signal(2)
        fault = Signal(2, reset_less=True)
        first = Signal(2, reset_less=True)
        saturated = Signal(reset_less=True)
        m.d.sync += [
            valid.eq((valid << 1) | self.i.valid),
            fault.eq((fault << 1) | self.i.p.fault),
            first.eq((first << 1) | (self.i.p.first & self.i.valid)),
            saturated.eq((over[0] | over[1]) & valid[0]),
        ]

        on = Signal()
        trip = Signal()
        starving = Signal()
        m.d.comb += [
            # The start of a frame switches on with its own first pair.
            on.eq(self.arm & ~self.tripped & (self.armed | first[1])),
            starving.eq(on & ~valid[1]),
            trip.eq(
                on
                & (
                    ~valid[1]
                    | (fault[1] & self.stop_on_fault)
                    | (saturated & self.stop_on_saturation)
                )
            ),
        ]
        m.d.sync += [
            self.armed.eq(on & ~trip),
            self.tripped.eq(self.arm & (self.tripped | trip)),
            self.o.p.first.eq(first[1]),
        ]
        for arm, limited in zip(("i", "q"), codes, strict=True):
            m.d.sync += self.o.p[arm].eq(Mux(on & ~trip, limited, 0))
        for name, event in (("saturated", saturated & on), ("starved", starving)):
            m.submodules[f"{name}_counter"] = counter = EventCounter(spec.counter_bits)
            m.d.comb += [
                counter.event.eq(event),
                counter.clear.eq(self.clear),
                getattr(self, name).eq(counter.count),
                getattr(self, f"{name}_flag").eq(counter.flag),
            ]
        return m
