"""One signed multiplier that fits the DSP blocks of ECP5 and of Zynq-7000 with all their registers.

Every product in the project uses `Multiplier`. Some synthesis tools (yosys on ECP5) infer the
multiplier but leave its registers in the fabric, which lowers the clock by some 40 MHz. The
primitives are therefore instantiated. Simulation uses plain arithmetic; tests compare the models of
the primitives with it.
"""

from __future__ import annotations

import enum

from amaranth.hdl import C, ClockSignal, Instance, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.vendor import LatticePlatform, XilinxPlatform

from shotveil.gateware.primitives.dsp48 import SUM_WIDTH, dsp48e1
from shotveil.models.common.checks import require


class Primitive(enum.Enum):
    """The primitive of a multiplier. To emit Verilog, a member may be given as the platform."""

    INFERRED = "inferred"  # plain arithmetic and registers
    ECP5 = "ecp5"  # MULT18X18D
    ZYNQ = "zynq"  # DSP48E1, as in all Xilinx 7-series


def primitive_of(platform: object) -> Primitive:
    """The primitive for an Amaranth platform, a `Primitive` itself, or None (inferred)."""
    if isinstance(platform, Primitive):
        return platform
    if isinstance(platform, LatticePlatform) and platform.family == "ecp5":
        return Primitive.ECP5
    if isinstance(platform, XilinxPlatform) and platform.family == "series7":
        return Primitive.ZYNQ
    return Primitive.INFERRED


class Multiplier(wiring.Component):
    """o = a·b, three clocks later.

    * `a`, `b`: signed, at most 18 bits each, the width of the smaller of the two DSP blocks; give
      an unsigned number one zero bit on top.
    * `o`: signed, exact: width(a) + width(b).
    * `enable`: low freezes all registers.
    * Latency: 3 clocks (input, pipeline and output registers). Throughput: one product per clock.
      It takes one DSP block. There is no reset; a product is as valid as its factors were.
    """

    LATENCY = 3
    MAX_WIDTH = 18

    def __init__(self, a_width: int, b_width: int):
        require("a_width", a_width, at_least=1, at_most=self.MAX_WIDTH, integer=True)
        require("b_width", b_width, at_least=1, at_most=self.MAX_WIDTH, integer=True)
        super().__init__(
            {
                "enable": In(1),
                "a": In(signed(a_width)),
                "b": In(signed(b_width)),
                "o": Out(signed(a_width + b_width)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from factors to product, with `enable` high."""
        return self.LATENCY

    def elaborate(self, platform: object) -> Module:
        primitive = primitive_of(platform)
        if primitive is Primitive.ECP5:
            return self._ecp5()
        if primitive is Primitive.ZYNQ:
            return self._zynq()
        return self._inferred()

    def _inferred(self) -> Module:
        m = Module()
        a = Signal(self.a.shape(), reset_less=True)
        b = Signal(self.b.shape(), reset_less=True)
        product = Signal(self.o.shape(), reset_less=True)
        out = Signal(self.o.shape(), reset_less=True)
        with m.If(self.enable):
            m.d.sync += [a.eq(self.a), b.eq(self.b), product.eq(a * b), out.eq(product)]
        m.d.comb += self.o.eq(out)
        return m

    def _ecp5(self) -> Module:
        m = Module()
        a = Signal(signed(18))
        b = Signal(signed(18))
        product = Signal(signed(36))
        m.d.comb += [a.eq(self.a), b.eq(self.b), self.o.eq(product)]
        ports: dict[str, object] = {}
        for bit in range(18):
            ports[f"i_A{bit}"], ports[f"i_B{bit}"] = a[bit], b[bit]
        for bit in range(36):
            ports[f"o_P{bit}"] = product[bit]
        for register in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"):
            ports[f"p_REG_{register}_CLK"] = "CLK0"
            ports[f"p_REG_{register}_CE"] = "CE0"
            ports[f"p_REG_{register}_RST"] = "RST0"
        m.submodules.dsp = Instance(
            "MULT18X18D",
            **ports,
            i_SIGNEDA=C(1),
            i_SIGNEDB=C(1),
            i_SOURCEA=C(0),  # from the fabric, not from the neighbouring block
            i_SOURCEB=C(0),
            i_CLK0=ClockSignal(),
            i_CE0=self.enable,
            i_RST0=C(0),
        )
        return m

    def _zynq(self) -> Module:
        m = Module()
        total = Signal(SUM_WIDTH)
        m.submodules.dsp = dsp48e1(self.a, self.b, self.enable, total)
        m.d.comb += self.o.eq(total)
        return m
