"""Pins of the boards against what their makers publish, and nothing used twice."""

import pytest
from amaranth.build import DiffPairs
from amaranth_boards.ecpix5 import ECPIX585Platform

from shotveil.gateware.boards import ecpix5, red_pitaya
from shotveil.models.common.checks import RangeError
from shotveil.models.node.spec import CLOCK_HZ, NodeSpec

# Of RedPitaya-FPGA, sdc/red_pitaya.xdc: bits 2 to 15 of adc_dat_i, and dac_dat_o.
ADC = (
    "Y17 W16 Y16 W15 W14 Y14 W13 V12 V13 T14 T15 V15 T16 V16",
    "R18 P16 P18 N17 R19 T20 T19 U20 V20 W20 W19 Y19 W18 Y18",
)
DAC = "M19 M20 L19 L20 K19 J19 J20 H20 G19 G20 F19 F20 D20 D19"


def resources(platform):
    return {(r.name, r.number): r for r in platform.resources}


def pins(resource, connectors):
    """Balls of a resource and all that it is made of."""
    for io in resource.ios:
        if hasattr(io, "ios"):
            yield from pins(io, connectors)
        elif isinstance(io, DiffPairs):
            yield from [*io.p.names, *io.n.names]
        else:
            yield from (connectors.get(name, name) for name in io.names)


def connectors(platform):
    found = {}
    for connector in platform.connectors:
        name = f"{connector.name}_{connector.number}"
        found |= {f"{name}:{pin}": ball for pin, ball in connector.mapping.items()}
    return found


def test_ecpix5_has_56_data_pins_and_none_twice():
    balls = connectors(ecpix5.Ecpix5)
    board = [ball for r in ECPIX585Platform.resources for ball in pins(r, balls)]
    ours = [r for r in ecpix5.Ecpix5.resources if r not in ECPIX585Platform.resources]
    used = [ball for r in ours for ball in pins(r, balls)]
    assert len(used) == 4 * 15 + 2
    assert len(set(used)) == len(used)
    assert not set(used) & set(board)
    assert set(used) <= set(balls.values())


@pytest.mark.parametrize("channel", [0, 1])
def test_red_pitaya_adc(channel):
    adc = resources(red_pitaya.RedPitaya)["adc", channel]
    assert list(pins(adc, {})) == ADC[channel].split()
    assert adc.attrs["IOSTANDARD"] == "LVCMOS18"


def test_red_pitaya_dac_and_clock():
    found = resources(red_pitaya.RedPitaya)
    dac = list(pins(found["dac", 0], {}))
    assert dac == [*DAC.split(), "M17", "N16", "M18", "N15"]
    clock = found["adc_clock", 0]
    assert list(pins(clock, {})) == ["U18", "U19"]
    assert clock.attrs["IOSTANDARD"] == "DIFF_HSTL_I_18"
    assert clock.clock.frequency == CLOCK_HZ
    used = [ball for r in found.values() for ball in pins(r, {})]
    assert len(set(used)) == len(used)


def test_a_link_that_the_board_does_not_have():
    with pytest.raises(RangeError, match="uart, usb"):
        ecpix5.Ecpix5Top(NodeSpec(), link="ethernet")
