"""LambdaConcept ECPIX-5 with LFE5UM5G-85F, four parallel 14-bit converters on its PMODs.

Each converter takes two neighbouring PMODs: 14 data pins, its clock, and a pin that is left over. A
server has the drive's DACs on the first two places and the receiver's ADCs on the others; a client
has its ADC on the third and the phase shifter's DAC on the fourth. `docs/boards.md` has the table.
"""

from __future__ import annotations

from typing import Any

from amaranth.build import Attrs, Pins, Resource, Subsignal
from amaranth.hdl import ClockDomain, Elaboratable, Module, Value
from amaranth.lib import io, wiring
from amaranth_boards.ecpix5 import ECPIX585Platform

from shotveil.gateware.boards.board import Board, BoardLink, Limits, Trellis, serial_port
from shotveil.gateware.boards.ecp5 import (
    ADC_CLOCK,
    DAC_CLOCK,
    Ecp5Clocks,
    forward_clock,
    receive,
    send,
)
from shotveil.gateware.host_link.usb import Usb
from shotveil.gateware.node.chain import NodeCore
from shotveil.models.node.spec import NodeSpec

OSCILLATOR_HZ = 100_000_000
ULPI_HZ = 60_000_000
WIDTH = 14
CMOS = Attrs(IO_TYPE="LVCMOS33", SLEWRATE="FAST", DRIVE="8")
PMOD_PINS = (1, 2, 3, 4, 7, 8, 9, 10)


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

    default_clk = None  # `Ecp5Clocks` makes the domain
    default_rst = None
    resources = [  # noqa: RUF012
        *ECPIX585Platform.resources,
        *(_converter(place) for place in range(4)),
        Resource("frame", 0, Pins("pmod_1:10", dir="o"), CMOS),
        Resource(
            "trigger", 0, Pins("pmod_3:10", dir="i"), Attrs(IO_TYPE="LVCMOS33", PULLMODE="DOWN")
        ),
    ]


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
        m.submodules.clocks = Ecp5Clocks("clk100", OSCILLATOR_HZ, self._spec.clock_hz, ("rst", 0))
        m.submodules.node = node = NodeCore(self._spec)
        link = self._link.connect(m, platform, self._spec)
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
        send(m, "frame", platform.request("frame", 0, dir="-"), node.frame)
        m.submodules.trigger = trigger = io.FFBuffer("i", platform.request("trigger", 0, dir="-"))
        m.d.comb += node.trigger.eq(trigger.i)
        return m


def _usb(m: Module, platform: Any, spec: NodeSpec) -> Usb:
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
    send(m, f"data_{place}", pins.data, code)
    forward_clock(m, f"clock_{place}", pins.clock, DAC_CLOCK)


def adc(m: Module, platform: Any, place: int) -> Value:
    """The signed code that an ADC puts out, `WAY` + 1 clocks behind the pins."""
    pins = platform.request("converter", place, dir={"data": "-", "clock": "-"})
    word = receive(m, f"data_{place}", pins.data)
    forward_clock(m, f"clock_{place}", pins.clock, ADC_CLOCK)
    return word


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
    links=(
        BoardLink("uart", "USB serial port at 3 Mbaud", serial_port),
        BoardLink("usb", "USB high speed, at the USB-C socket", _usb, (ULPI_HZ,)),
    ),
    converters="four of your own on the PMODs, or none",
    clock="125 MHz by a PLL from 100 MHz on the board",
    limits=Limits(lut=83_640, bram=208, dsp=156),  # all that the device has
    store=10 * 4096,  # 80 block RAMs: the ten rows of `mnist-head`, and three decoys
)
