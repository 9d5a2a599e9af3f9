"""The DSP block of Zynq-7000 against plain arithmetic; its users' tests compare them whole."""

import re

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.primitives.dsp48 import SUM_WIDTH, Addend, dsp48e1
from shotveil.gateware.primitives.multiplier import Multiplier, Primitive
from shotveil.gateware.primitives.pipeline import delay, flow
from shotveil.sim.engines.run import Run
from shotveil.sim.engines.verilator_bench import VerilatorBench, dsp48e1_model
from shotveil.sim.engines.verilog import emit


class Column(wiring.Component):
    """Two blocks: the lower one accumulates products, the upper one adds its own to that sum."""

    def __init__(self, registers, shown):
        self.registers = registers
        self.shown = shown  # the block whose sums leave
        factors = data.StructLayout({"a": signed(25), "b": signed(18), "new": 1})
        sums = stream.Signature(signed(SUM_WIDTH))
        super().__init__({"i": In(stream.Signature(factors)), "o": Out(sums)})

    def elaborate(self, platform):
        m = Module()
        enable = flow(m, self.i, self.o, self.registers + 3)
        addend = Signal(3)
        # What lies at the input between two samples adds nothing.
        a = Mux(self.i.valid, self.i.p.a, 0)
        starts = delay(m, self.i.valid & self.i.p.new, self.registers, enable)
        m.d.comb += addend.eq(Mux(starts, Addend.NOTHING, Addend.SUM))
        low, high, cascade = (Signal(SUM_WIDTH, name=name) for name in ("low", "high", "cascade"))
        b = self.i.p.b
        m.submodules.lower = dsp48e1(
            a, b, enable, low, addend=addend, above=cascade, input_registers=self.registers
        )
        late = (delay(m, value, 1, enable) for value in (a, b))
        m.submodules.upper = dsp48e1(
            *late, enable, high,
            addend=Addend.BELOW, below=cascade, input_registers=self.registers,
        )  # fmt: skip
        m.d.comb += self.o.p.eq(delay(m, low, 1, enable) if self.shown == "lower" else high)
        return m


@pytest.mark.parametrize("shown", ["lower", "upper"])
@pytest.mark.parametrize("registers", [1, 2])
def test_sums_of_products_with_pauses(registers, shown):
    rng = np.random.default_rng(registers)
    n = 20_000
    a, b = rng.integers(-(2**24), 2**24, n), rng.integers(-(2**17), 2**17, n)
    a[:4], b[:4] = [-(2**24), -(2**24), 2**24 - 1, -1], [-(2**17), 2**17 - 1, -(2**17), -1]
    new = rng.random(n) < 0.1
    products = a * b
    sums = np.zeros(n, np.int64)
    for k in range(n):
        sums[k] = products[k] + (0 if new[k] or k == 0 else sums[k - 1])
    expected = sums if shown == "lower" else sums + products
    name = f"dsp48_{registers}_{shown}"
    bench = VerilatorBench(Column(registers, shown), name, primitive=Primitive.ZYNQ)
    given = {"a": a, "b": b, "new": new.astype(np.int64)}
    for stall in (0, 0.4):
        (result,) = bench.run(Run(inputs={"i": given}, due={"o": n}, stall=stall))
        np.testing.assert_array_equal(result.outputs["o"], expected)


def test_what_is_tied_is_as_wide_as_the_port_of_the_block():
    block = re.search(r"^module DSP48E1 \((.*?)^\);", dsp48e1_model(), re.M | re.S)[1]
    inputs = re.findall(r"input (?:signed )?(?:\[(\d+):0\] )?(\w+)", block)
    widths = {name: int(high or 0) + 1 for high, name in inputs}
    text = emit(Multiplier(18, 18), primitive=Primitive.ZYNQ)
    tied = {name: int(n) for name, n in re.findall(r"\.(\w+)\((\d+)'[a-z]", text)}
    known = tied.keys() & widths
    assert {"ACIN", "BCIN", "PCIN", "C", "D", "OPMODE"} <= known
    assert {name: widths[name] for name in known} == {name: tied[name] for name in known}
