"""Red Pitaya STEMlab 125-14 (Zynq-7010): two 14-bit ADCs and two DACs at 125 MS/s on the board.

One clock of 125 MHz, from the ADC, drives all of the node; two faster phases feed nothing but the
DAC's clock pins. The host link is Ethernet, by a program on the board's Linux, or a UART at the
extension connector E1. Pins and levels are those of the vendor's constraints (`sdc/red_pitaya.xdc`
of RedPitaya-FPGA); `docs/boards.md` tells how to load and wire it.
"""

from __future__ import annotations

from typing import Any

from amaranth.build import Attrs, Clock, DiffPairs, Pins, Resource, Subsignal
from amaranth.hdl import C, Cat, ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth_boards.redpitaya_125_14 import RedPitaya14Platform

from shotveil.gateware.boards.board import Board, BoardLink, Limits, Vivado, serial_port
from shotveil.gateware.boards.delta_sigma import DeltaSigma
from shotveil.gateware.boards.zynq import CLOCK_HZ as PROCESSOR_HZ
from shotveil.gateware.boards.zynq import ProcessorLink, constraints
from shotveil.gateware.node.chain import NodeCore
from shotveil.models.node.spec import LARGEST_STORE, NodeSpec

CLOCK_HZ = 125_000_000
# A shorter raw record than usual, and one of the longest rows in flight: the device is small.
COMPACT = {"capture": 1024, "replay": 4096}
DOMAINS = ("sync", "dac_write", "dac_clock")  # in the order of the PLL's outputs
WIDTH = 14

ADC_LEVELS = Attrs(IOSTANDARD="LVCMOS18")
DAC_LEVELS = Attrs(IOSTANDARD="LVCMOS33", SLEW="FAST", DRIVE="8")
E1_LEVELS = Attrs(IOSTANDARD="LVCMOS33")


class RedPitaya(RedPitaya14Platform):
    """The board with its converters; the two lowest pins of each ADC are for a 16-bit variant."""

    default_clk = None  # `RedPitayaClocks` makes the domain
    resources = [  # noqa: RUF012
        Resource("adc_clock", 0, DiffPairs("U18", "U19", dir="i"), Clock(CLOCK_HZ),
                 Attrs(IOSTANDARD="DIFF_HSTL_I_18")),
        Resource("adc", 0, Pins("Y17 W16 Y16 W15 W14 Y14 W13 V12 V13 T14 T15 V15 T16 V16",
                                dir="i"), ADC_LEVELS),
        Resource("adc", 1, Pins("R18 P16 P18 N17 R19 T20 T19 U20 V20 W20 W19 Y19 W18 Y18",
                                dir="i"), ADC_LEVELS),
        Resource("adc_stabiliser", 0, Pins("V18", dir="o"),
                 Attrs(IOSTANDARD="LVCMOS18", SLEW="FAST", DRIVE="8")),
        Resource("dac", 0,
                 Subsignal("data", Pins("M19 M20 L19 L20 K19 J19 J20 H20 G19 G20 F19 F20 D20 D19",
                                        dir="o")),
                 Subsignal("write", Pins("M17", dir="o")),
                 Subsignal("select", Pins("N16", dir="o")),
                 Subsignal("clock", Pins("M18", dir="o")),
                 Subsignal("reset", Pins("N15", dir="o")),
                 DAC_LEVELS),
        # Slow analogue output 0 on E2: one pin and a low-pass filter on the board, 0 to 1.8 V.
        Resource("slow_output", 0, Pins("T10", dir="o"),
                 Attrs(IOSTANDARD="LVCMOS18", SLEW="FAST", DRIVE="12")),
        Resource("led", 0, Pins("F16", dir="o"), Attrs(IOSTANDARD="LVCMOS33")),
        # E1: DIO0_P … DIO2_P.
        Resource("uart", 0, Subsignal("rx", Pins("G17", dir="i")),
                 Subsignal("tx", Pins("H16", dir="o")), E1_LEVELS),
        Resource("trigger", 0, Pins("J18", dir="i"), Attrs(IOSTANDARD="LVCMOS33", PULLDOWN="TRUE")),
        Resource("frame", 0, Pins("K17", dir="o"), E1_LEVELS),
        Resource("emitting", 0, Pins("L14", dir="o"), E1_LEVELS),
    ]  # fmt: skip
    connectors: list[Any] = []  # noqa: RUF012


class RedPitayaTop(Elaboratable):
    """A node on the board. With `spec.loopback` no converter is used but the ADC's clock."""

    def __init__(self, spec: NodeSpec, link: BoardLink):
        self._spec = spec
        self._link = link

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains += [ClockDomain(name, reset_less=True) for name in DOMAINS]
        m.submodules.clocks = RedPitayaClocks()
        link = self._link.connect(m, platform, self._spec)
        m.submodules.node = node = NodeCore(self._spec, getattr(link, "row_memory", None))
        wiring.connect(m, link.o, node.link.i)
        wiring.connect(m, node.link.o, link.i)
        m.submodules.trigger = trigger = io.FFBuffer("i", platform.request("trigger", 0, dir="-"))
        m.d.comb += node.trigger.eq(trigger.i)
        for name, number, value in (
            ("frame", 0, node.frame),
            ("emitting", 0, node.emitting),
            ("led", 0, node.emitting),
            ("adc_stabiliser", 0, C(1)),
        ):
            m.submodules[f"{name}_pin"] = pin = io.FFBuffer(
                "o", platform.request(name, number, dir="-")
            )
            m.d.comb += pin.o.eq(value)
        if self._spec.loopback:
            return m
        dac(m, platform, (node.codes.p.i, node.codes.p.q))
        m.d.comb += node.adc.p.x.eq(adc(m, platform, 0))
        if self._spec.role == "server":
            m.d.comb += node.adc.p.p.eq(adc(m, platform, 1))
        else:
            m.submodules.shifter = shifter = DeltaSigma(WIDTH)
            m.submodules.slow = slow = io.FFBuffer("o", platform.request("slow_output", 0, dir="-"))
            m.d.comb += [shifter.code.eq(node.shifter), slow.o.eq(shifter.o)]
        return m


class RedPitayaClocks(Elaboratable):
    """125 MHz from the ADC for the node, and 250 MHz in two phases for the DAC's clock pins.

    Registers start with the values they were configured with; the clock is held back until the PLL
    is locked, so no reset is needed.
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.pin = pin = io.Buffer("i", platform.request("adc_clock", dir="-"))
        feedback = Signal()
        returned = Signal()  # a buffer like those of the outputs, so the PLL removes their delay
        locked = Signal()
        outputs = Signal(3)
        m.submodules.feedback_buffer = Instance("BUFG", i_I=feedback, o_O=returned)
        m.submodules.pll = Instance(
            "PLLE2_BASE",
            p_CLKIN1_PERIOD=8.0,
            p_CLKFBOUT_MULT=8,  # to 1 GHz
            p_DIVCLK_DIVIDE=1,
            p_CLKOUT0_DIVIDE=8,
            p_CLKOUT1_DIVIDE=4,
            p_CLKOUT2_DIVIDE=4,
            p_CLKOUT2_PHASE=-45.0,
            p_STARTUP_WAIT="FALSE",
            i_CLKIN1=pin.i,
            i_CLKFBIN=returned,
            i_RST=C(0),
            i_PWRDWN=C(0),
            o_CLKFBOUT=feedback,
            o_CLKOUT0=outputs[0],
            o_CLKOUT1=outputs[1],
            o_CLKOUT2=outputs[2],
            o_LOCKED=locked,
        )
        for k, name in enumerate(DOMAINS):
            m.submodules[f"{name}_buffer"] = Instance(
                "BUFGCE", i_I=outputs[k], i_CE=locked, o_O=ClockSignal(name)
            )
        return m


def _ethernet(m: Module, platform: Any, spec: NodeSpec) -> ProcessorLink:
    """The board's processor, whose Linux is in the network."""
    m.submodules.processor = link = ProcessorLink(spec)
    return link


def adc(m: Module, platform: Any, channel: int) -> Signal:
    """The signed code of an ADC, whose words are offset binary after an inverting input stage."""
    m.submodules[f"adc_{channel}"] = word = io.FFBuffer(
        "i", platform.request("adc", channel, dir="-")
    )
    code = Signal(WIDTH)
    m.d.comb += code.eq(Cat(~word.i[: WIDTH - 1], word.i[WIDTH - 1]))
    return code


def dac(m: Module, platform: Any, codes: tuple[Signal, Signal]) -> None:
    """Send a pair of signed codes per clock over one bus, the second in a clock's first half.

    The converter takes straight binary, and an inverting stage follows it.
    """
    pins = platform.request(
        "dac", 0, dir=dict.fromkeys(("data", "write", "select", "clock", "reset"), "-")
    )
    words = [Signal(WIDTH, name=f"word_{k}") for k in range(2)]
    for word, code in zip(words, codes, strict=True):
        m.d.sync += word.eq(Cat(~code[: WIDTH - 1], code[WIDTH - 1]))
    for name, domain, first, second in (
        ("data", "sync", words[1], words[0]),
        ("select", "sync", C(1), C(0)),
        ("write", "dac_write", C(0), C(1)),
        ("clock", "dac_clock", C(0), C(1)),
    ):
        m.submodules[f"dac_{name}"] = buffer = io.DDRBuffer(
            "o", getattr(pins, name), o_domain=domain
        )
        m.d.comb += [buffer.o[0].eq(first), buffer.o[1].eq(second)]
    m.submodules.dac_reset = reset = io.Buffer("o", pins.reset)
    m.d.comb += reset.o.eq(0)


RED_PITAYA = Board(
    name="red_pitaya",
    says="Red Pitaya STEMlab 125-14",
    platform=RedPitaya,
    top=RedPitayaTop,
    # Figure of the vendor: an ADC word is valid this many ns after the edge of its clock.
    tools=Vivado("set_input_delay -clock adc_clock_0__p 3.400 [get_ports adc_?__io*]"),
    links=(
        BoardLink(
            "ethernet",
            "Ethernet of the board's Linux, by a program that runs there",
            _ethernet,
            clocks_hz=(PROCESSOR_HZ,),
            constraints=constraints("processor", "adc_clock_0__p"),
            linux=True,
            store=LARGEST_STORE,
        ),
        BoardLink("uart", "UART at 3 Mbaud on E1", serial_port),
    ),
    converters="two ADCs and two DACs on the board",
    clock="125 MHz from the ADC",
    node={"clock_hz": CLOCK_HZ, **COMPACT},
    # Of the Zynq-7010; Vivado needs some LUTs free to route well, and a tenth of its 60 block RAMs
    # to place them near what they serve. yosys counts some more LUTs than Vivado takes, which puts
    # two small functions into one.
    limits=Limits(lut=int(0.8 * 17_600), bram=54, dsp=80),
)
