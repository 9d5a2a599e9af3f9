"""LambdaConcept ECPIX-5 with LFE5UM5G-85F, four parallel 14-bit converters on its PMODs.

Each converter takes two neighbouring PMODs: 14 data pins, its clock, and a pin that is left over. A
server has the drive's DACs on the first two places and the receiver's ADCs on the others; a client
has its ADC on the third and the phase shifter's DAC on the fourth. `docs/boards.md` has the table.
"""

from __future__ import annotations

from typing import Any

from amaranth.build import Attrs, Pins, Resource, Subsignal
from amaranth.hdl import C, ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal, Value
from amaranth.lib import io, wiring
from amaranth_boards.ecpix5 import ECPIX585Platform

from shotveil.gateware.boards.board import Board, BoardLink, Limits, Trellis
from shotveil.gateware.host_link.uart import Uart
from shotveil.gateware.host_link.usb import Usb
from shotveil.gateware.node.chain import NodeCore
from shotveil.gateware.primitives.pipeline import delay
from shotveil.models.node.spec import CLOCK_HZ, NodeSpec

ULPI_HZ = 60_000_000
WIDTH = 14
CMOS = Attrs(IO_TYPE="LVCMOS33", SLEWRATE="FAST", DRIVE="8")
PMOD_PINS = (1, 2, 3, 4, 7, 8, 9, 10)
# Number of registers between the node and the register at each pin. The PMODs are all around the
# device; without these registers, placement would spread the node too far.
WAY = 2


def _converter(place: int) -> Resource:
    """The converter on PMODs 2·place and 2·place + 1; direction is chosen where it is used."""
    names = [f"pmod_{2 * place + k}:{pin}" for k in range(2) for pin in PMOD_PINS]
    return Resource(
        "converter",
        place,
        Subsignal("data", Pins(" ".join(names[:WIDTH]), dir="io")),
        Subsignal("clock", Pins(names[14], dir="o")),
        CMOS,
    )


class Ecpix5(ECPIX585Platform):
    """The board, with converters on its PMODs."""

    default_clk = None  # `Ecpix5Clocks` makes the domain
    default_rst = None
    resources = [  # noqa: RUF012
        *ECPIX585Platform.resources,
        *(_converter(place) for place in range(4)),
        Resource("frame", 0, Pins("pmod_1:10", dir="o"), CMOS),
        Resource(
            "trigger", 0, Pins("pmod_3:10", dir="i"), Attrs(IO_TYPE="LVCMOS33", PULLMODE="DOWN")
        ),
    ]


class Ecpix5Clocks(Elaboratable):
    """Clock of `sync`: 125 MHz from the board's 100 MHz, with a reset until the PLL is locked.

    The tools derive the clock's constraint from the oscillator's and the PLL's dividers.

    The reset goes through the device's own global network: as a net in the fabric it would limit
    the clock.
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.pin = pin = io.Buffer("i", platform.request("clk100", dir="-"))
        m.submodules.button = button = io.Buffer("i", platform.request("rst", dir="-"))
        clock = Signal()
        locked = Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI="100",
            a_FREQUENCY_PIN_CLKOP="125",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            p_CLKI_DIV=4,
            p_CLKFB_DIV=5,
            p_CLKOP_DIV=5,  # of 625 MHz
            p_CLKOP_CPHASE=2,
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


class Ecpix5Top(Elaboratable):
    """A node on the board, with the host link through the serial port or the ULPI transceiver.

    With `spec.loopback` no converter is used. The first light is red while the output is on.
    """

    def __init__(self, spec: NodeSpec, link: BoardLink):
        self._spec = spec
        self._link = link

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync", reset_less=True)
        m.submodules.clocks = Ecpix5Clocks()
        m.submodules.node = node = NodeCore(self._spec)
        link = self._link.connect(m, platform)
        wiring.connect(m, link.o, node.link.i)
        wiring.connect(m, node.link.o, link.i)
        light = platform.request("rgb_led", 0)
        m.d.comb += light.r.o.eq(node.emitting)
        if self._spec.loopback:
            return m
        dac(m, platform, 0, node.codes.p.i)
        dac(m, platform, 1, node.codes.p.q)
        m.d.comb += node.adc.p.x.eq(adc(m, platform, 2))
        if self._spec.role == "server":
            m.d.comb += node.adc.p.p.eq(adc(m, platform, 3))
        else:
            # The shifter's codes are unsigned, but the converters take two's complement.
            dac(m, platform, 3, node.shifter ^ (1 << (WIDTH - 1)))
        # Pins that the DACs do not use: the start of each frame goes out, the trigger comes in.
        _send(m, "frame", platform.request("frame", 0, dir="-"), node.frame)
        m.submodules.trigger = trigger = io.FFBuffer("i", platform.request("trigger", 0, dir="-"))
        m.d.comb += node.trigger.eq(trigger.i)
        return m


def _uart(m: Module, platform: Any) -> Uart:
    """The second channel of the FT2232, which is a serial port at the host."""
    uart = Uart(CLOCK_HZ)
    pins = platform.request("uart", 0, dir={"rx": "-", "tx": "-"})
    m.submodules.rx = rx = io.Buffer("i", pins.rx)
    m.submodules.tx = tx = io.Buffer("o", pins.tx)
    m.d.comb += [uart.rx.eq(rx.i), tx.o.eq(uart.tx)]
    m.submodules.link = uart
    return uart


def _usb(m: Module, platform: Any) -> Usb:
    """The USB-C socket, through its ULPI transceiver."""
    usb = Usb()
    names = ("data", "clk", "dir", "nxt", "stp", "rst")
    pins = platform.request("ulpi", 0, dir=dict.fromkeys(names, "-"))
    for name, direction in zip(names, ("io", "i", "i", "i", "o", "o"), strict=True):
        m.submodules[f"ulpi_{name}"] = buffer = io.Buffer(direction, getattr(pins, name))
        if name == "data":
            m.d.comb += [
                usb.ulpi.data_i.eq(buffer.i),
                buffer.o.eq(usb.ulpi.data_o),
                buffer.oe.eq(usb.ulpi.data_oe),
            ]
        elif direction == "i":
            m.d.comb += getattr(usb.ulpi, name).eq(buffer.i)
        else:
            m.d.comb += buffer.o.eq(getattr(usb.ulpi, name))
    # The constraint is on the pin: the name of the net does not reach the placer.
    platform.add_clock_constraint(pins.clk.io, ULPI_HZ)
    m.submodules.link = usb
    return usb


def dac(m: Module, platform: Any, place: int, code: Value) -> None:
    """Send one signed code per clock to a DAC, which samples it in the middle of the clock.

    It is at the pins `WAY` + 1 clocks later.
    """
    pins = platform.request("converter", place, dir={"data": "-", "clock": "-"})
    _send(m, f"data_{place}", pins.data, code)
    _forward_clock(m, place, pins.clock, (0, 1))


def adc(m: Module, platform: Any, place: int) -> Value:
    """The signed code that an ADC puts out, `WAY` + 1 clocks behind the pins."""
    pins = platform.request("converter", place, dir={"data": "-", "clock": "-"})
    m.submodules[f"data_{place}"] = data = io.FFBuffer("i", pins.data)
    _forward_clock(m, place, pins.clock, (1, 0))
    return delay(m, data.i, WAY)


def _send(m: Module, name: str, port: Any, value: Value) -> None:
    """Send a value with the same registers as the codes, so that it leaves at the same time."""
    m.submodules[name] = buffer = io.FFBuffer("o", port)
    m.d.comb += buffer.o.eq(delay(m, value, WAY))


def _forward_clock(m: Module, place: int, pin: Any, levels: tuple[int, int]) -> None:
    """Send the clock beside the data, with its `levels` in the first and the second half."""
    m.submodules[f"clock_{place}"] = clock = io.DDRBuffer("o", pin)
    m.d.comb += [clock.o[0].eq(levels[0]), clock.o[1].eq(levels[1])]


ECPIX5 = Board(
    name="ecpix5",
    says="LambdaConcept ECPIX-5 85F",
    platform=Ecpix5,
    top=Ecpix5Top,
    # nextpnr's timing data for the board's own part make block RAM three times faster than it is.
    # Timing is therefore checked with LFE5U-85F, which differs only in having no transceivers.
    tools=Trellis(
        sign_off=("--85k", "--speed", "8", "--package", "CABGA554"),
        part=("--um5g-85k", "--speed", "8", "--package", "CABGA554"),
    ),
    clock_hz=CLOCK_HZ,
    links=(
        BoardLink("uart", "USB serial port at 3 Mbaud", _uart),
        BoardLink("usb", "USB high speed, at the USB-C socket", _usb, (ULPI_HZ,)),
    ),
    converters="four of your own on the PMODs, or none",
    limits=Limits(lut=83_640, bram=208, dsp=156),  # all that the device has
)
