"""The PLL of an ECP5: every clock that is offered can be made, and no other is."""

from types import SimpleNamespace

import pytest
from amaranth.back import verilog
from amaranth.hdl import ClockDomain, Module
from amaranth.lib import io

from shotveil.gateware.boards.ecp5 import (
    SLOWEST_COMPARED_HZ,
    VCO_HZ,
    Dividers,
    Ecp5Clocks,
    dividers,
)
from shotveil.models.common.checks import RangeError


@pytest.mark.parametrize(
    "oscillator_hz, clock_hz, found",
    [
        (100_000_000, 125_000_000, Dividers(4, 5, 5)),
        (25_000_000, 62_500_000, Dividers(2, 5, 10)),
        (25_000_000, 100_000_000, Dividers(1, 4, 6)),
        (12_000_000, 120_000_000, Dividers(1, 10, 5)),
    ],
)
def test_dividers_make_the_clock_within_the_limits_of_the_pll(oscillator_hz, clock_hz, found):
    made = dividers(oscillator_hz, clock_hz)
    assert made == found
    assert oscillator_hz * made.feedback == clock_hz * made.input
    assert VCO_HZ[0] <= clock_hz * made.output <= VCO_HZ[1]
    assert oscillator_hz / made.input >= SLOWEST_COMPARED_HZ


@pytest.mark.parametrize(
    "oscillator_hz, clock_hz",
    [(25_000_000, 80_000_000), (100_000_000, 125_000_001), (100_000_000, 900_000_000)],
)
def test_a_clock_that_the_pll_cannot_make_is_refused(oscillator_hz, clock_hz):
    """80 MHz from 25 MHz needs a comparison at 5 MHz, and the VCO ends at 800 MHz."""
    with pytest.raises(RangeError, match=f"clock_hz = {clock_hz} cannot be made by the PLL"):
        dividers(oscillator_hz, clock_hz)


class Pins:
    """Stands for a platform: pins that it was asked for, in order."""

    def __init__(self):
        self.asked = []

    def request(self, *name, dir):
        self.asked.append(name)
        return io.SimulationPort("i", 1)


def test_the_oscillator_the_button_and_the_clock_are_those_that_are_named():
    platform = Pins()
    top = SimpleNamespace(m=Module())
    top.m.domains.sync = ClockDomain("sync", reset_less=True)
    clocks = Ecp5Clocks("crystal", 25_000_000, 62_500_000, ("key", 3))
    top.m.submodules.clocks = clocks.elaborate(platform)
    text = verilog.convert(top.m, ports=[])
    assert platform.asked == [("crystal",), ("key", 3)]
    for line in ('FREQUENCY_PIN_CLKI = "25"', 'FREQUENCY_PIN_CLKOP = "62.5"'):
        assert line in text
    for name, value in {"CLKI_DIV": 2, "CLKFB_DIV": 5, "CLKOP_DIV": 10, "CLKOP_CPHASE": 5}.items():
        assert f".{name}(32'd{value})" in text.replace(" ", "")
