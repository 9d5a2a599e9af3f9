"""ADC entry: code format and overrange. Model: `models.digitiser.entry`."""

from __future__ import annotations

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.digitiser.payloads import forward_valid
from shotveil.gateware.primitives.counter import EventCounter
from shotveil.models.digitiser.spec import DigitiserSpec


class Entry(wiring.Component):
    """Converts ADC words to samples; `over` marks samples at the ends of the range.

    * `offset_binary`: high where the ADC counts from its lower end; two's complement otherwise.
    * `overrange`, `overrange_count`: sticky, and saturating; `clear` sets both back.
    * `always_valid`: whether the stream `i` is always valid, as for a converter without pauses.
    * The result is exact. Throughput: one sample per clock. Latency: 1 clock. It never stalls and
      takes no multiplier.
    """

    latency = 1

    def __init__(self, spec: DigitiserSpec, counter_bits: int = 32, always_valid: bool = False):
        self._spec = spec
        self._counter_bits = counter_bits
        super().__init__(
            {
                "i": In(
                    stream.Signature(
                        payloads.codes(spec), always_ready=True, always_valid=always_valid
                    )
                ),
                "o": Out(
                    stream.Signature(
                        payloads.samples(spec), always_ready=True, always_valid=always_valid
                    )
                ),
                "offset_binary": In(1),
                "clear": In(1),
                "overrange": Out(1),
                "overrange_count": Out(counter_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.events = events = EventCounter(self._counter_bits)
        ends = []
        for axis in payloads.axes(self._spec):
            code = self.i.p[axis]
            sample = Cat(code[:-1], code[-1] ^ self.offset_binary)
            m.d.sync += self.o.p[axis].eq(sample)
            ends.append((sample[:-1].all() & ~sample[-1]) | (~sample[:-1].any() & sample[-1]))
        over = Cat(*ends).any()
        forward_valid(m, self.i, self.o)
        m.d.sync += self.o.p.over.eq(over)
        m.d.comb += [
            events.event.eq(self.i.valid & over),
            events.clear.eq(self.clear),
            self.overrange.eq(events.flag),
            self.overrange_count.eq(events.count),
        ]
        return m
