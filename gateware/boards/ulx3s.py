"""Radiona ULX3S with LFE5U-85F: parallel 12-bit converters on its two headers, at 62.5 MHz.

DACs are on header J1 and ADCs on header J2. The two converters of a header share a clock, and have
12 bits, so that each pair fits a header's 28 pins. A client's phase shifter is one pin of J2 with a
low-pass filter. Device and speed grade allow half the clock of a faster board; `docs/boards.md`
has the table of pins.
"""

from __future__ import annotations

from typing import Any

from amaranth.build import Attrs, Pins, Resource
from amaranth.hdl import C, ClockDomain, Elaboratable, Module
from amaranth.lib import io, wiring
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from shotveil.gateware.boards.board import Board, BoardLink, Limits, Trellis, serial_port
from shotveil.gateware.boards.delta_sigma import DeltaSigma
from shotveil.gateware.boards.ecp5 import (
    ADC_CLOCK,
    DAC_CLOCK,
    Ecp5Clocks,
    forward_clock,
    receive,
    send,
)
from shotveil.gateware.node.chain import NodeCore
from shotveil.models.node.spec import NodeSpec

OSCILLATOR_HZ = 25_000_000
CLOCK_HZ = 62_500_000
BITS = 12
OUTPUT = Attrs(IO_TYPE="LVCMOS33", SLEWRATE="FAST", DRIVE="8")
INPUT = Attrs(IO_TYPE="LVCMOS33")


def _pin(number: int, side: str) -> str:
    """The pin that the maker calls GP (side +) or GN (side -) and this number."""
    return f"gpio_0:{number}{side}"


def _word(first: int, side: str, direction: str) -> Pins:
    """`BITS` pins of one side of a header, from the number `first` on, lowest bit first."""
    names = [_pin(first + bit, side) for bit in range(BITS)]
    return Pins(" ".join(names), dir=direction)


class Ulx3s(ULX3S_85F_Platform):
    """The board, with converters on its headers."""

    default_clk = None  # `Ecp5Clocks` makes the domain
    resources = [  # noqa: RUF012
        *ULX3S_85F_Platform.resources,
        Resource("dac_word", 0, _word(0, "+", "o"), OUTPUT),
        Resource("dac_word", 1, _word(0, "-", "o"), OUTPUT),
        Resource("dac_clock", 0, Pins(_pin(12, "+"), dir="o"), OUTPUT),
        Resource("frame", 0, Pins(_pin(12, "-"), dir="o"), OUTPUT),
        Resource("emitting", 0, Pins(_pin(13, "+"), dir="o"), OUTPUT),
        Resource("adc_word", 0, _word(14, "+", "i"), INPUT),
        Resource("adc_word", 1, _word(14, "-", "i"), INPUT),
        Resource("adc_clock", 0, Pins(_pin(26, "+"), dir="o"), OUTPUT),
        Resource("trigger", 0, Pins(_pin(26, "-"), dir="i"),
                 Attrs(IO_TYPE="LVCMOS33", PULLMODE="DOWN")),
        Resource("shifter", 0, Pins(_pin(27, "+"), dir="o"), OUTPUT),
        Resource("radio_enable", 0, Pins("F1", dir="o"), INPUT),
    ]  # fmt: skip


class Ulx3sTop(Elaboratable):
    """A node on the board. With `spec.loopback` no converter is used.

    The first light is on while the output is.
    """

    def __init__(self, spec: NodeSpec, link: BoardLink):
        self._spec = spec
        self._link = link

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync", reset_less=True)
        m.submodules.clocks = Ecp5Clocks(
            "clk25", OSCILLATOR_HZ, self._spec.clock_hz, ("button_fire", 0)
        )
        m.submodules.node = node = NodeCore(self._spec)
        link = self._link.connect(m, platform, self._spec)
        wiring.connect(m, link.o, node.link.i)
        wiring.connect(m, node.link.o, link.i)

        def pins(name: str, number: int = 0) -> Any:
            return platform.request(name, number, dir="-")

        # The radio module shares pins with header J1. It stays in reset, which leaves them alone.
        m.submodules.radio = radio = io.Buffer("o", pins("radio_enable"))
        m.submodules.light = light = io.Buffer("o", pins("led"))
        m.d.comb += [radio.o.eq(C(0)), light.o.eq(node.emitting)]
        if self._spec.loopback:
            return m
        send(m, "dac_i", pins("dac_word", 0), node.codes.p.i)
        send(m, "dac_q", pins("dac_word", 1), node.codes.p.q)
        forward_clock(m, "dac_clock", pins("dac_clock"), DAC_CLOCK)
        forward_clock(m, "adc_clock", pins("adc_clock"), ADC_CLOCK)
        m.d.comb += node.adc.p.x.eq(receive(m, "adc_x", pins("adc_word", 0)))
        if self._spec.role == "server":
            m.d.comb += node.adc.p.p.eq(receive(m, "adc_p", pins("adc_word", 1)))
        else:
            m.submodules.modulator = modulator = DeltaSigma(len(node.shifter))
            m.d.comb += modulator.code.eq(node.shifter)
            send(m, "shifter", pins("shifter"), modulator.o)
        send(m, "frame", pins("frame"), node.frame)
        send(m, "emitting", pins("emitting"), node.emitting)
        m.d.comb += node.trigger.eq(receive(m, "trigger", pins("trigger")))
        return m


DEVICE = ("--85k", "--speed", "6", "--package", "CABGA381")
ULX3S = Board(
    name="ulx3s",
    says="Radiona ULX3S 85F",
    platform=Ulx3s,
    top=Ulx3sTop,
    tools=Trellis(sign_off=DEVICE, part=DEVICE),
    links=(BoardLink("uart", "USB serial port at 3 Mbaud", serial_port),),
    converters="12-bit ones of your own on the headers, or none",
    clock="62.5 MHz by a PLL from 25 MHz on the board",
    limits=Limits(lut=83_640, bram=208, dsp=156),  # all that the device has
    node={"clock_hz": CLOCK_HZ, "dac_bits": BITS, "adc_bits": BITS},
)
