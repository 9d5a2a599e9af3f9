"""What boards with an ECP5 share: clock and reset, and registers between a node and its pins."""

from __future__ import annotations

from typing import Any, NamedTuple

from amaranth.hdl import C, ClockSignal, Elaboratable, Instance, Module, Signal, Value
from amaranth.lib import io

from shotveil.gateware.primitives.pipeline import delay
from shotveil.models.common.checks import RangeError

# Limits of the PLL (Lattice, FPGA-DS-02012, sysCLOCK PLL timing), and a frequency in the middle.
VCO_HZ = (400e6, 800e6)
VCO_USUAL_HZ = 600e6
SLOWEST_COMPARED_HZ = 10e6
LARGEST_DIVIDER = 128
# Number of registers between the node and the register at each pin. The pins of the connectors are
# all around a device; without these registers, placement would spread the node too far.
WAY = 2
# Levels of a forwarded clock in the first and the second half of the node's clock: a DAC takes its
# code at the rising edge, so it rises in the middle of the code; an ADC changes its word there.
DAC_CLOCK, ADC_CLOCK = (0, 1), (1, 0)


class Dividers(NamedTuple):
    """Dividers of the PLL for its input, its feedback, which is its output, and its output."""

    input: int
    feedback: int
    output: int


def dividers(oscillator_hz: int, clock_hz: int) -> Dividers:
    """The dividers that make one clock from another. Raises `RangeError` if there are none."""
    for divider in range(1, LARGEST_DIVIDER + 1):
        feedback, rest = divmod(clock_hz * divider, oscillator_hz)
        if oscillator_hz / divider < SLOWEST_COMPARED_HZ:
            break
        if rest or not 1 <= feedback <= LARGEST_DIVIDER:
            continue
        output = min(LARGEST_DIVIDER, max(1, round(VCO_USUAL_HZ / clock_hz)))
        if VCO_HZ[0] <= clock_hz * output <= VCO_HZ[1]:
            return Dividers(divider, feedback, output)
    raise RangeError(
        f"clock_hz = {clock_hz} cannot be made by the PLL from {oscillator_hz} Hz; allowed: a "
        f"multiple of {oscillator_hz} Hz over a whole number up to "
        f"{oscillator_hz / SLOWEST_COMPARED_HZ:.0f}"
    )


class Ecp5Clocks(Elaboratable):
    """Clock of `sync` from the board's oscillator, with a reset until the PLL is locked.

    `oscillator` and `button` are the names of their pins' resources; the reset is given as long as
    the button is pressed, too. The tools derive the clock's constraint from the oscillator's and
    the PLL's dividers.

    The reset goes through the device's own global network: as a net in the fabric it would limit
    the clock.
    """

    def __init__(self, oscillator: str, oscillator_hz: int, clock_hz: int, button: tuple[str, int]):
        self._oscillator, self._oscillator_hz = oscillator, oscillator_hz
        self._clock_hz, self._button = clock_hz, button
        self._dividers = dividers(oscillator_hz, clock_hz)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.pin = pin = io.Buffer("i", platform.request(self._oscillator, dir="-"))
        m.submodules.button = button = io.Buffer("i", platform.request(*self._button, dir="-"))
        clock = Signal()
        locked = Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{self._oscillator_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{self._clock_hz / 1e6:g}",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            p_CLKI_DIV=self._dividers.input,
            p_CLKFB_DIV=self._dividers.feedback,
            p_CLKOP_DIV=self._dividers.output,
            p_CLKOP_CPHASE=self._dividers.output // 2,
            p_CLKOP_FPHASE=0,
            p_CLKOP_ENABLE="ENABLED",
            p_FEEDBK_PATH="CLKOP",
            p_OUTDIVIDER_MUXA="DIVA",
            i_CLKI=pin.i,
            i_CLKFB=clock,
            i_RST=C(0),
            i_STDBY=C(0),
            i_PHASESEL0=C(0),
            i_PHASESEL1=C(0),
            i_PHASEDIR=C(0),
            i_PHASESTEP=C(0),
            i_PHASELOADREG=C(0),
            i_PLLWAKESYNC=C(0),
            i_ENCLKOP=C(0),
            o_CLKOP=clock,
            o_LOCK=locked,
        )
        m.d.comb += ClockSignal("sync").eq(clock)
        first = Signal()
        second = Signal()
        for d, q in ((locked & ~button.i, first), (first, second)):
            m.submodules += Instance(
                "FD1S3AX", p_GSR="DISABLED", i_CK=ClockSignal("sync"), i_D=d, o_Q=q
            )
        m.submodules += Instance("SGSR", i_CLK=ClockSignal("sync"), i_GSR=second)
        return m


def send(m: Module, name: str, port: Any, value: Value) -> None:
    """Send a value to pins, where it is `WAY` + 1 clocks later, whatever its pins are."""
    m.submodules[name] = buffer = io.FFBuffer("o", port)
    m.d.comb += buffer.o.eq(delay(m, value, WAY))


def receive(m: Module, name: str, port: Any) -> Value:
    """What pins say, `WAY` + 1 clocks behind them."""
    m.submodules[name] = buffer = io.FFBuffer("i", port)
    return delay(m, buffer.i, WAY)


def forward_clock(m: Module, name: str, port: Any, levels: tuple[int, int]) -> None:
    """Send the clock beside the data, with its `levels` in the first and the second half."""
    m.submodules[name] = clock = io.DDRBuffer("o", port)
    m.d.comb += [clock.o[0].eq(levels[0]), clock.o[1].eq(levels[1])]
