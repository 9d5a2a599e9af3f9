"""Delay of the samples until their frame is known, and marks of their position in the frame."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.digitiser.correlator import Correlator
from shotveil.gateware.digitiser.delay_line import DelayLine
from shotveil.gateware.digitiser.timing import TIME_BITS, Timing
from shotveil.models.digitiser.spec import DigitiserSpec


class Synchroniser(wiring.Component):
    """Gives sample k − `spec.delay`, with its marks, for each sample k. It never stalls.

    Settings and status are those of `Correlator` and `Timing`.
    """

    def __init__(self, spec: DigitiserSpec, always_valid: bool = False, time_bits: int = TIME_BITS):
        self._spec = spec
        self._correlator = Correlator(spec, always_valid)
        self._timing = Timing(
            spec, spec.delay - Correlator.LAG, Correlator.LAG, always_valid, time_bits
        )
        timing = self._timing.signature.members
        super().__init__(
            {
                "i": In(
                    stream.Signature(
                        payloads.samples(spec), always_ready=True, always_valid=always_valid
                    )
                ),
                "o": Out(
                    stream.Signature(
                        payloads.placed(spec), always_ready=True, always_valid=always_valid
                    )
                ),
                "minimum": In(payloads.POWER_BITS),
                **{name: timing[name] for name in timing if name not in ("i", "o")},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.correlator = correlator = self._correlator
        m.submodules.timing = timing = self._timing
        connect(m, correlator.o, timing.i)
        connect(m, flipped(self.i), correlator.i)
        m.d.comb += [
            correlator.minimum.eq(self.minimum),
        ]
        for name, member in timing.signature.members.items():
            if name in ("i", "o"):
                continue
            ours, theirs = getattr(self, name), getattr(timing, name)
            m.d.comb += theirs.eq(ours) if member.flow is In else ours.eq(theirs)

        names = [*payloads.axes(self._spec), "over"]
        packed = Cat(*(self.i.p[name] for name in names))
        m.submodules.line = line = DelayLine(len(packed), self._spec.delay)
        held = Signal(len(packed))
        again = Signal(len(packed))
        m.d.comb += [line.enable.eq(self.i.valid), line.i.eq(packed)]
        # The marks come one clock later than the line's step, in their own register.
        with m.If(self.i.valid):
            m.d.sync += held.eq(line.o)
        with m.If(correlator.o.valid):
            m.d.sync += again.eq(held)
        if not isinstance(self.o.valid, Const):
            m.d.comb += self.o.valid.eq(timing.o.valid)
        at = 0
        for name in names:
            width = len(self.o.p[name])
            m.d.comb += self.o.p[name].eq(again[at : at + width])
            at += width
        for name in ("phase", "fraction", "mark", "lost"):
            m.d.comb += self.o.p[name].eq(timing.o.p[name])
        return m
