"""The synthesis helper on a design small enough to know what must come out."""

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shotveil.gateware.primitives.multiplier import Multiplier, Primitive
from shotveil.models.common.checks import RangeError
from shotveil.sim.engines.verilog import emit
from shotveil.sim.synthesis import ecp5 as synthesis


def test_only_large_memories_of_zeros_begin_with_anything():
    def text(*words):
        lines = "".join(f"    held_0[{k}] = {word};\n" for k, word in enumerate(words))
        return f"  reg [3:0] held_0;\n  initial begin\n{lines}  end\n  assign a = b;\n"

    zeros = ["4'h0"] * 4096
    assert synthesis.without_zeros(text(*zeros)) == "  reg [3:0] held_0;\n  assign a = b;\n"
    for kept in (text(*zeros[1:]), text(*zeros[1:], "4'h8"), text("18'h00026", *zeros)):
        assert synthesis.without_zeros(kept) == kept
    memory = Memory(shape=4, depth=4096, init=[])

    class Large(wiring.Component):
        o: Out(4)

        def elaborate(self, platform):
            m = Module()
            m.submodules.memory = memory
            write, read = memory.write_port(), memory.read_port()
            m.d.sync += [write.addr.eq(write.addr + 1), write.en.eq(1), read.addr.eq(write.addr)]
            m.d.sync += [write.data.eq(read.data + 1), self.o.eq(read.data)]
            return m

    written = emit(Large(), "dut", Primitive.ECP5)
    assert written.count("= 4'h0;") >= 4096 > 10 > synthesis.without_zeros(written).count("= 4'h0")


class Small(wiring.Component):
    """Two multipliers and one block RAM."""

    def __init__(self):
        super().__init__({"a": In(signed(18)), "b": In(signed(18)), "o": Out(signed(36))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=signed(18), depth=1024, init=range(1024))
        port = memory.read_port()
        counter = Signal(10)
        m.d.sync += counter.eq(counter + 1)
        m.d.comb += port.addr.eq(counter)
        products = []
        for name, factor in (("first", self.a), ("second", self.b)):
            m.submodules[name] = multiplier = Multiplier(18, 18)
            m.d.comb += [
                multiplier.enable.eq(1),
                multiplier.a.eq(port.data),
                multiplier.b.eq(factor),
            ]
            products.append(multiplier.o)
        m.d.sync += self.o.eq(products[0] ^ products[1])
        return m


def test_ecp5():
    placed = list(synthesis.place(emit(Small(), "dut", Primitive.ECP5), seeds=(1, 2)))
    assert len(placed) == 2
    for figures in placed:
        assert (figures.dsp, figures.bram) == (2, 1)
        assert 36 <= figures.ff <= 60
        assert 100 < figures.mhz < 600
    with pytest.raises(RangeError, match="seeds"):
        next(synthesis.place(emit(Small(), "dut", Primitive.ECP5), seeds=()))


def test_zynq():
    estimate = synthesis.map_zynq(emit(Small(), "dut", Primitive.ZYNQ))
    assert estimate.dsp == 2
    assert estimate.bram36 == 0.5


class Total(wiring.Component):
    """A sum of products: the multiplier has its registers, the adder and its register follow."""

    def __init__(self):
        super().__init__({"a": In(signed(18)), "b": In(signed(14)), "o": Out(signed(33))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.product = product = Multiplier(18, 14)
        total = Signal(signed(33), reset_less=True)
        m.d.comb += [product.a.eq(self.a), product.b.eq(self.b), product.enable.eq(1)]
        m.d.sync += total.eq(total + product.o)
        m.d.comb += self.o.eq(total)
        return m


def test_an_adder_behind_a_multiplier_with_all_its_registers_is_counted():
    """It cannot go into the DSP block, whose output register is taken."""
    estimate = synthesis.map_zynq(emit(Total(), "dut", Primitive.ZYNQ))
    assert (estimate.dsp, estimate.ff) == (1, 33)
    assert 33 <= estimate.lut <= 36
