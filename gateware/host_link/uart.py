"""A serial line with 8 data bits, no parity and one stop bit, least significant bit first."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from shotveil.gateware.primitives.counter import EventCounter
from shotveil.gateware.primitives.memory import DeepFifo
from shotveil.models.common.checks import RangeError, require
from shotveil.models.host_link.packet import BAUD

PHASE_BITS = 16  # width of the divider's phase
LARGEST_ERROR = 0.02  # relative error of the baud rate; half a bit in ten, 5 %, is for both ends
SHORTEST_BIT = 8  # clocks per bit; the time of an edge is accurate to one clock
COUNTER_BITS = 16


def step(clock_hz: float, baud: float) -> int:
    """The number of 2^−16 parts of a bit that the divider adds to its phase in each clock.

    Raises `RangeError` where the rate would be off by more than `LARGEST_ERROR`, or a bit lasts
    less than `SHORTEST_BIT` clocks.
    """
    require("clock_hz", clock_hz, above=0)
    require("baud", baud, above=0, at_most=clock_hz / SHORTEST_BIT)
    wanted = baud / clock_hz * (1 << PHASE_BITS)
    taken = round(wanted)
    if abs(taken / wanted - 1) > LARGEST_ERROR:
        raise RangeError(
            f"baud = {baud:g} cannot be had from a clock of {clock_hz:g} Hz to within "
            f"{LARGEST_ERROR:.0%}; allowed: {clock_hz / (1 << PHASE_BITS):.0f} and its multiples"
        )
    return taken


class UartReceiver(wiring.Component):
    """Receives bytes from a line. `framing_error` or `overrun` pulses when a byte is lost.

    A byte is lost when its stop bit is low (`framing_error`), or when the byte before it was not
    taken yet (`overrun`). Each bit is sampled in its middle, to within 1.5 clocks.
    """

    def __init__(self, clock_hz: float, baud: float):
        self._step = step(clock_hz, baud)
        super().__init__(
            {
                "rx": In(1, init=1),
                "o": Out(stream.Signature(8)),
                "framing_error": Out(1),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        before = Signal(init=1)  # after a framing error the line has to rise before the next byte
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)
        phase = Signal(PHASE_BITS)
        carry = Signal()
        left = Signal(range(10))  # bits to come, with start and stop bit
        bits = Signal(8, reset_less=True)
        m.d.sync += before.eq(line)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(left == 0):
            # From the first edge, it is half a bit to the middle of the start bit.
            m.d.sync += [phase.eq(1 << (PHASE_BITS - 1)), carry.eq(0)]
            with m.If(~line & before):
                m.d.sync += left.eq(10)
        with m.Else():
            m.d.sync += Cat(phase, carry).eq(phase + self._step)
            with m.If(carry):
                m.d.sync += [left.eq(left - 1), bits.eq(Cat(bits[1:], line))]
                with m.If((left == 10) & line):
                    m.d.sync += left.eq(0)  # a spike, no start bit
                with m.If(left == 1):
                    m.d.comb += self.framing_error.eq(~line)
                    with m.If(line):
                        m.d.comb += self.overrun.eq(self.o.valid & ~self.o.ready)
                        with m.If(~self.overrun):
                            m.d.sync += [self.o.payload.eq(bits), self.o.valid.eq(1)]
        return m


class UartTransmitter(wiring.Component):
    """Sends bytes to a line."""

    def __init__(self, clock_hz: float, baud: float):
        self._step = step(clock_hz, baud)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        phase = Signal(PHASE_BITS)
        carry = Signal()
        bits = Signal(9, init=0x1FF)  # ahead of the line; ones behind the last
        left = Signal(range(11))  # bits to be held on the line for their time
        # The next byte follows the stop bit at once, or the rate would fall behind.
        m.d.comb += self.i.ready.eq((left == 0) | (carry & (left == 1)))
        m.d.sync += Cat(phase, carry).eq(Mux(left == 0, 0, phase + self._step))
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [self.tx.eq(0), bits.eq(Cat(self.i.payload, 1)), left.eq(10)]
        with m.Elif(carry):
            m.d.sync += [self.tx.eq(bits[0]), bits.eq(Cat(bits[1:], 1)), left.eq(left - 1)]
        return m


class Uart(wiring.Component):
    """A serial line for the host link, with a buffer for bytes that come while the link is busy.

    * `o`: bytes from the line, `i`: bytes to it; in the clock of the samples. `rx`, `tx`: the pins,
      from the device's view.
    * 10 bits a byte: 300 kB/s at 3 Mbaud. The divider is fractional, so any rate goes up to an
      eighth of the clock. Raises `RangeError` for a rate that is off by more than 2 %.
    * `framing_errors`, `overruns`: bytes that were lost on the line, or found the buffer full, see
      `EventCounter`; `clear` sets them to zero. The link's CRC finds such a packet, and the host
      sends it again.
    * Takes two block RAMs.
    """

    def __init__(self, clock_hz: float, baud: float = BAUD, depth: int = 4096):
        require("depth", depth, at_least=4, integer=True)
        self._rates = clock_hz, baud
        self._depth = depth
        step(clock_hz, baud)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "clear": In(1),
                "framing_errors": Out(COUNTER_BITS),
                "overruns": Out(COUNTER_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(*self._rates)
        m.submodules.transmitter = transmitter = UartTransmitter(*self._rates)
        m.submodules.buffer = buffer = DeepFifo(width=8, depth=self._depth)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        wiring.connect(m, receiver.o, buffer.w_stream)
        wiring.connect(m, buffer.r_stream, wiring.flipped(self.o))
        wiring.connect(m, wiring.flipped(self.i), transmitter.i)
        for name, event in (
            ("framing_errors", receiver.framing_error),
            ("overruns", receiver.overrun),
        ):
            m.submodules[name] = counter = EventCounter(COUNTER_BITS)
            m.d.comb += [
                counter.event.eq(event),
                counter.clear.eq(self.clear),
                getattr(self, name).eq(counter.count),
            ]
        return m
