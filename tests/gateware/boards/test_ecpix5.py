"""What stands between the node and the converters' pins on ECPIX-5."""

from types import SimpleNamespace

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import io
from amaranth.sim import Simulator

from shotveil.gateware.boards import ecpix5


class Pins:
    """Stands for the platform: pins that can be simulated, kept under the place they belong to."""

    def __init__(self):
        self.data = {}

    def request(self, name, place, dir):
        self.data[place] = io.SimulationPort("io", ecpix5.WIDTH)
        return SimpleNamespace(data=self.data[place], clock=io.SimulationPort("o", 1))


def test_a_code_a_clock_goes_to_the_pins_and_a_word_a_clock_comes_from_them(monkeypatch):
    monkeypatch.setattr(ecpix5, "_forward_clock", lambda *_: None)  # a cell of the vendor's
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
