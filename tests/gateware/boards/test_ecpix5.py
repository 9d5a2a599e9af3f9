"""What stands between the node and the converters' pins on ECPIX-5."""

from types import SimpleNamespace

import pytest
from amaranth.build import DiffPairs
from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator
from amaranth_boards.ecpix5 import ECPIX585Platform

from shotveil.gateware.boards import ecp5, ecpix5


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
    late = ecp5.WAY + 1
    assert at_pins == heard == [0] * late + sent[:-late]


def balls(resource, connectors):
    """Balls of a resource and all that it is made of."""
    for part in resource.ios:
        if hasattr(part, "ios"):
            yield from balls(part, connectors)
        elif isinstance(part, DiffPairs):
            yield from [*part.p.names, *part.n.names]
        else:
            yield from (connectors.get(name, name) for name in part.names)


def connectors(platform):
    found = {}
    for connector in platform.connectors:
        name = f"{connector.name}_{connector.number}"
        found |= {f"{name}:{pin}": ball for pin, ball in connector.mapping.items()}
    return found


def test_56_data_pins_and_none_twice():
    where = connectors(ecpix5.Ecpix5)
    board = [ball for r in ECPIX585Platform.resources for ball in balls(r, where)]
    ours = [r for r in ecpix5.Ecpix5.resources if r not in ECPIX585Platform.resources]
    used = [ball for r in ours for ball in balls(r, where)]
    assert len(used) == 4 * 15 + 2
    assert len(set(used)) == len(used)
    assert not set(used) & set(board)
    assert set(used) <= set(where.values())


def test_what_the_board_offers():
    board = ecpix5.ECPIX5
    assert [link.name for link in board.links] == ["uart", "usb"]
    assert board.clocks_hz() == (125e6,) and board.clocks_hz("usb") == (125e6, 60e6)
    assert board.tools.sign_off[0] == "--85k" and board.tools.part[0] == "--um5g-85k"
    assert board.tools.sign_off[1:] == board.tools.part[1:]
    assert board.tools.part[1:] == ("--speed", "8", "--package", "CABGA554")
    # LFE5UM5G-85F as its maker describes it.
    assert (board.limits.lut, board.limits.bram, board.limits.dsp) == (83_640, 208, 156)
    assert board.loopback and board.roles == ("server", "client")


def test_a_server_keeps_a_private_head():
    board = ecpix5.ECPIX5
    assert board.spec("server").store == 10 * 4096 and board.spec("client").store == 0
    assert board.design(board.spec("server", store=8192), "usb")._spec.store == 8192
