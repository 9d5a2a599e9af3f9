"""What stands between the node and the converters' pins on ECPIX-5."""

from types import SimpleNamespace

import pytest
from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from shotveil.gateware.boards import ecpix5


class Pins:
    """Stands for the platform: pins that can be simulated, kept under the place they belong to."""

    def __init__(self):
        self.data, self.clock = {}, {}

    def request(self, name, place, dir):
        self.data[place] = io.SimulationPort("io", ecpix5.WIDTH)
        self.clock[place] = io.SimulationPort("o", 1)
        return SimpleNamespace(data=self.data[place], clock=self.clock[place])


class Halves(wiring.Component):
    """Stands for a cell of the vendor's: what a pin is in either half of a clock is at `o`."""

    def __init__(self, direction, port):
        assert direction == "o"
        self.port = port
        super().__init__({"o": In(1).array(2)})

    def elaborate(self, platform):
        return Module()


@pytest.fixture
def halves(monkeypatch):
    """The cells that were made, by port."""
    made = {}

    def make(direction, port):
        made[id(port)] = Halves(direction, port)
        return made[id(port)]

    monkeypatch.setattr(ecpix5.io, "DDRBuffer", make)
    return made


def test_a_converter_sees_an_edge_where_its_data_stand_still(halves):
    """A DAC takes its code at the rising edge: in the middle of the time that the code is there. An
    ADC changes its word at the rising edge, and gets it where the node's clock rises."""
    m = Module()
    m.domains.sync = ClockDomain("sync", reset_less=True)
    platform = Pins()
    ecpix5.dac(m, platform, 0, Signal(ecpix5.WIDTH))
    ecpix5.adc(m, platform, 2)
    levels = {}

    async def bench(ctx):
        await ctx.tick()
        for place, port in platform.clock.items():
            levels[place] = [ctx.get(half) for half in halves[id(port)].o]

    simulator = Simulator(m)
    simulator.add_clock(8e-9)
    simulator.add_testbench(bench)
    simulator.run()
    assert levels == {0: [0, 1], 2: [1, 0]}


def test_a_code_a_clock_goes_to_the_pins_and_a_word_a_clock_comes_from_them(halves):
    m = Module()
    m.domains.sync = ClockDomain("sync", reset_less=True)
    platform = Pins()
    code = Signal(ecpix5.WIDTH)
    word = Signal(ecpix5.WIDTH)
    ecpix5.dac(m, platform, 0, code)
    m.d.comb += word.eq(ecpix5.adc(m, platform, 2))
    to_dac, from_adc = platform.data[0], platform.data[2]
    sent = list(range(1, 40))
    at_pins, heard = [], []

    async def bench(ctx):
        for value in sent:
            ctx.set(code, value)
            ctx.set(from_adc.i, value)
            _, _, pin, got = await ctx.tick().sample(to_dac.o, word)
            at_pins.append(pin)
            heard.append(got)

    simulator = Simulator(m)
    simulator.add_clock(8e-9)
    simulator.add_testbench(bench)
    simulator.run()
    late = ecpix5.WAY + 1
    assert at_pins == heard == [0] * late + sent[:-late]
