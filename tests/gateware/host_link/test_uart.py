"""The serial line: both directions, a foreign clock, errors, and rates that cannot be had."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from shotveil.gateware.host_link.uart import Uart, UartReceiver, UartTransmitter, step
from shotveil.models.common.checks import RangeError

CLOCK, BAUD = 125e6, 3e6


def waveform(data, baud, clock=CLOCK, idle=3):
    """The line in each clock for some bytes, sent at a rate of its own."""
    bits = [1] * idle
    for byte in data:
        bits += [0, *(byte >> k & 1 for k in range(8)), 1]
    bits += [1] * idle
    clocks = np.arange(int(len(bits) * clock / baud))
    return np.array(bits)[(clocks * baud / clock).astype(int)]


def listen(line, take=lambda clock: True, **options):
    """Bytes that a UART makes of a line, and its counters."""
    uart = Uart(CLOCK, BAUD, **options)
    simulator = Simulator(uart)
    simulator.add_clock(1 / CLOCK)
    got, counters = [], {}

    async def bench(ctx):
        for clock, level in enumerate(line):
            ctx.set(uart.rx, int(level))
            ready = take(clock)
            ctx.set(uart.o.ready, ready)
            if ready and ctx.get(uart.o.valid):
                got.append(ctx.get(uart.o.payload))
            await ctx.tick()
        for name in ("framing_errors", "overruns"):
            counters[name] = ctx.get(getattr(uart, name))

    simulator.add_testbench(bench)
    simulator.run()
    return bytes(got), counters


DATA = bytes([0, 255, 0x55, 0xAA, 1, 128]) + np.random.default_rng(1).bytes(20)


@pytest.mark.parametrize("off", [-0.03, -0.02, 0, 0.02, 0.03])
def test_bytes_at_rates_that_differ(off):
    got, counters = listen(waveform(DATA, BAUD * (1 + off)))
    assert got == DATA
    assert counters == {"framing_errors": 0, "overruns": 0}


def test_a_missing_stop_bit_is_counted():
    line = waveform(b"\x12\x34\x56", BAUD)
    bit = CLOCK / BAUD
    line[int((3 + 10 + 9) * bit) : int((3 + 10 + 10) * bit)] = 0
    got, counters = listen(np.concatenate([line, waveform(b"\x78", BAUD)]))
    assert counters["framing_errors"] == 1
    assert got[0] == 0x12 and got[-1] == 0x78 and 0x34 not in got


def test_a_line_held_low_is_one_error_and_a_spike_is_none():
    low = np.zeros(int(50 * CLOCK / BAUD))
    got, counters = listen(np.concatenate([low, waveform(b"\x78", BAUD)]))
    assert got == b"\x78" and counters["framing_errors"] == 1
    spike = np.ones(400)
    spike[50:60] = 0
    got, counters = listen(np.concatenate([spike, waveform(b"\x78", BAUD)]))
    assert got == b"\x78" and counters["framing_errors"] == 0


def test_what_finds_the_buffer_full_is_counted():
    line = waveform(bytes(range(1, 21)), BAUD)
    got, counters = listen(
        np.concatenate([line, np.ones(100)]), take=lambda clock: clock >= len(line), depth=8
    )
    assert counters["overruns"] + len(got) == 20 and counters["overruns"] > 0
    assert got == bytes(range(1, len(got) + 1))


class Loop(wiring.Component):
    """A transmitter on a receiver."""

    def __init__(self, clock, baud):
        self.transmitter, self.receiver = UartTransmitter(clock, baud), UartReceiver(clock, baud)
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules += [self.transmitter, self.receiver]
        m.d.comb += self.receiver.rx.eq(self.transmitter.tx)
        return m


@pytest.mark.parametrize("clock, baud", [(125e6, 3e6), (100e6, 12e6), (24e6, 3e6), (50e6, 115200)])
def test_bytes_leave_at_the_rate(clock, baud):
    loop = Loop(clock, baud)
    simulator = Simulator(loop)
    simulator.add_clock(1 / clock)
    data = DATA[:8]
    times = []

    async def send(ctx):
        for byte in data:
            await stream_put(ctx, loop.transmitter.i, byte)

    got = []

    async def watch(ctx):
        ctx.set(loop.receiver.o.ready, 1)
        clock_number = 0
        while len(got) < len(data):
            if ctx.get(loop.receiver.o.valid):
                got.append(ctx.get(loop.receiver.o.payload))
                times.append(clock_number)
            await ctx.tick()
            clock_number += 1
            assert clock_number < 20 * len(data) * clock / baud

    simulator.add_testbench(send, background=True)
    simulator.add_testbench(watch)
    simulator.run()
    assert bytes(got) == data
    # Ten bits a byte, each known to a clock.
    assert times[-1] - times[0] == pytest.approx(70 * clock / baud, rel=5e-3, abs=1)


async def stream_put(ctx, port, value):
    ctx.set(port.payload, value)
    ctx.set(port.valid, 1)
    await ctx.tick().until(port.ready)
    ctx.set(port.valid, 0)


def test_rates():
    assert step(1.0, 0.1) == step(1e6, 1e5)
    assert step(CLOCK, BAUD) / 65536 * CLOCK == pytest.approx(BAUD, rel=3e-4)
    for clock, baud in ((125e6, 2400), (20e6, 3e6), (125e6, 0), (-1, 9600)):
        with pytest.raises(RangeError):
            step(clock, baud)
    with pytest.raises(RangeError, match="2%"):
        Uart(125e6, 4800)
