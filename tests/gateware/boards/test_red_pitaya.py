"""Pins of Red Pitaya against what its maker publishes, and nothing used twice."""

from types import SimpleNamespace

import pytest
from amaranth.build import DiffPairs
from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from shotveil.gateware.boards import red_pitaya
from shotveil.models.node.spec import LARGEST_STORE, NodeSpec

# Of RedPitaya-FPGA, sdc/red_pitaya.xdc: bits 2 to 15 of adc_dat_i, and dac_dat_o.
ADC = (
    "Y17 W16 Y16 W15 W14 Y14 W13 V12 V13 T14 T15 V15 T16 V16",
    "R18 P16 P18 N17 R19 T20 T19 U20 V20 W20 W19 Y19 W18 Y18",
)
DAC = "M19 M20 L19 L20 K19 J19 J20 H20 G19 G20 F19 F20 D20 D19"


def resources(platform):
    return {(r.name, r.number): r for r in platform.resources}


def pins(resource):
    """Balls of a resource and all that it is made of."""
    for part in resource.ios:
        if hasattr(part, "ios"):
            yield from pins(part)
        elif isinstance(part, DiffPairs):
            yield from [*part.p.names, *part.n.names]
        else:
            yield from part.names


@pytest.mark.parametrize("channel", [0, 1])
def test_red_pitaya_adc(channel):
    adc = resources(red_pitaya.RedPitaya)["adc", channel]
    assert list(pins(adc)) == ADC[channel].split()
    assert adc.attrs["IOSTANDARD"] == "LVCMOS18"


def test_red_pitaya_dac_and_clock():
    found = resources(red_pitaya.RedPitaya)
    dac = list(pins(found["dac", 0]))
    assert dac == [*DAC.split(), "M17", "N16", "M18", "N15"]
    clock = found["adc_clock", 0]
    assert list(pins(clock)) == ["U18", "U19"]
    assert clock.attrs["IOSTANDARD"] == "DIFF_HSTL_I_18"
    assert clock.clock.frequency == red_pitaya.CLOCK_HZ
    used = [ball for r in found.values() for ball in pins(r)]
    assert len(set(used)) == len(used)


def test_what_the_board_offers():
    board = red_pitaya.RED_PITAYA
    assert [link.name for link in board.links] == ["ethernet", "uart"]
    assert board.clocks_hz() == (125e6, 125e6) and board.clocks_hz("uart") == (125e6,)
    assert (board.limits.lut, board.limits.bram, board.limits.dsp) == (14_080, 54, 80)
    assert "processor/ps7/FCLKCLK[0]" in board.link().constraints and board.link().linux
    assert not board.link("uart").constraints and not board.link("uart").linux
    for role, store in (("server", LARGEST_STORE), ("client", 0)):
        assert board.spec(role) == NodeSpec(role=role, capture=1024, replay=4096, store=store)
        assert board.spec(role, link="uart").store == 0  # no program tells it where memory is
    assert board.tools.constraints.startswith("set_input_delay -clock adc_clock_0__p 3.400 ")
    assert board.loopback and board.roles == ("server", "client")


class Pins:
    """Stands for the platform: pins that can be simulated."""

    def __init__(self):
        self.word = io.SimulationPort("i", red_pitaya.WIDTH)

    def request(self, name, number, dir):
        return self.word


def test_adc_codes_are_signed_and_the_right_way_round():
    """Offset binary behind an inverting stage: the highest word is the lowest voltage."""
    m = Module()
    m.domains.sync = ClockDomain("sync", reset_less=True)
    platform = Pins()
    code = red_pitaya.adc(m, platform, 0)
    seen = []

    async def bench(ctx):
        for word in (0, 1, 8191, 8192, 16383):
            ctx.set(platform.word.i, word)
            await ctx.tick().repeat(2)
            seen.append(ctx.get(code.as_signed()))

    simulator = Simulator(m)
    simulator.add_clock(8e-9)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [8191, 8190, 0, -1, -8192]


class DacPins:
    """Stands for the platform: the DAC's pins, all of them outputs."""

    def request(self, name, number, dir):
        widths = {"data": red_pitaya.WIDTH}
        return SimpleNamespace(**{pin: io.SimulationPort("o", widths.get(pin, 1)) for pin in dir})


class Halves(wiring.Component):
    """Stands for a cell of the vendor's: what a pin is in either half of a clock is at `o`."""

    def __init__(self, direction, port, o_domain):
        self.domain = o_domain
        super().__init__({"o": In(len(port)).array(2)})

    def elaborate(self, platform):
        return Module()


def test_the_dac_takes_each_code_where_its_data_stand_still(monkeypatch):
    """Both codes of a clock share one bus, I behind Q. In each half the converter is written to by
    an edge in the middle of the half: these clocks are twice as fast, and low first."""
    made = {}

    def make(direction, port, o_domain):
        cell = Halves(direction, port, o_domain)
        made[o_domain, len(made)] = cell
        return cell

    monkeypatch.setattr(red_pitaya.io, "DDRBuffer", make)
    m = Module()
    m.domains.sync = ClockDomain("sync", reset_less=True)
    codes = Signal(red_pitaya.WIDTH), Signal(red_pitaya.WIDTH)
    red_pitaya.dac(m, DacPins(), codes)
    seen = []

    async def bench(ctx):
        for i, q in ((0, 0), (8191, -8192), (-1, 5)):
            ctx.set(codes[0], i)
            ctx.set(codes[1], q)
            await ctx.tick()
            seen.append([[ctx.get(half) for half in cell.o] for cell in made.values()])

    simulator = Simulator(m)
    simulator.add_clock(8e-9)
    simulator.add_testbench(bench)
    simulator.run()
    assert [domain for domain, _ in made] == ["sync", "sync", "dac_write", "dac_clock"]
    # Straight binary in front of an inverting stage: the highest code is the lowest word.
    assert [data for data, *_ in seen] == [[8191, 8191], [16383, 0], [8186, 8192]]
    assert all(others == [[1, 0], [0, 1], [0, 1]] for _, *others in seen)
