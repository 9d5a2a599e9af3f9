"""The multiplier in all its forms against plain multiplication."""

import numpy as np
import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.vendor import XilinxPlatform

from shotveil.gateware.primitives.multiplier import Multiplier, Primitive, primitive_of
from shotveil.gateware.primitives.pipeline import flow
from shotveil.models.common.checks import RangeError
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run
from shotveil.sim.engines.verilator_bench import VerilatorBench
from shotveil.sim.engines.verilog import emit

CORNERS = np.array([-(2**17), -(2**17) + 1, -1, 0, 1, 2**17 - 2, 2**17 - 1])


class Products(wiring.Component):
    """A stream of products: the multiplier with handshakes around it."""

    def __init__(self, a_width=18, b_width=18):
        self.widths = a_width, b_width
        factors = data.StructLayout({"a": signed(a_width), "b": signed(b_width)})
        super().__init__(
            {
                "i": In(stream.Signature(factors)),
                "o": Out(stream.Signature(signed(a_width + b_width))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.product = product = Multiplier(*self.widths)
        m.d.comb += [
            product.enable.eq(flow(m, self.i, self.o, product.latency)),
            product.a.eq(self.i.p.a),
            product.b.eq(self.i.p.b),
            self.o.p.eq(product.o),
        ]
        return m


def factors(rng, random):
    """Every pair of corners, then random pairs."""
    a, b = (grid.ravel() for grid in np.meshgrid(CORNERS, CORNERS))
    more = rng.integers(-(2**17), 2**17, (2, random))
    return {"a": np.concatenate([a, more[0]]), "b": np.concatenate([b, more[1]])}


def check(bench, random):
    given = factors(np.random.default_rng(6), random)
    n = len(given["a"])
    for result in bench.run(
        *(Run(inputs={"i": given}, due={"o": n}, stall=stall) for stall in (0, 0.4))
    ):
        np.testing.assert_array_equal(result.outputs["o"], given["a"] * given["b"])
        assert result.first["o"] - result.first["i"] == Multiplier.LATENCY


def test_in_amaranth():
    check(AmaranthBench(Products()), 200)


def test_narrow_factors():
    a, b = np.array([-4, 3, -1, 3]), np.array([-8, -8, 7, 7])
    run = Run(inputs={"i": {"a": a, "b": b}}, due={"o": 4})
    (result,) = AmaranthBench(Products(3, 4)).run(run)
    np.testing.assert_array_equal(result.outputs["o"], a * b)


def test_our_model_of_the_ecp5_block():
    check(VerilatorBench(Products(), "multiplier_ecp5", primitive=Primitive.ECP5), 50_000)


def test_the_model_of_the_zynq_block_that_yosys_ships():
    check(VerilatorBench(Products(), "multiplier_zynq", primitive=Primitive.ZYNQ), 50_000)


def test_emitted_primitives():
    assert "MULT18X18D" in emit(Multiplier(18, 18), primitive=Primitive.ECP5)
    assert "DSP48E1" in emit(Multiplier(18, 18), primitive=Primitive.ZYNQ)
    assert primitive_of(None) is Primitive.INFERRED


class Xilinx(XilinxPlatform):
    """A device without pins."""

    device = "xc7z010"
    package, speed = "clg400", "1"
    default_clk = default_rst = None
    resources = connectors = ()


class Kintex(Xilinx):
    device = "xcku040"  # its DSP blocks are others


@pytest.mark.parametrize(
    ("platform", "primitive"), [(Xilinx, Primitive.ZYNQ), (Kintex, Primitive.INFERRED)]
)
def test_the_primitive_is_that_of_the_platform(platform, primitive):
    assert primitive_of(platform()) is primitive


def test_too_wide_is_refused():
    with pytest.raises(RangeError, match=r"a_width = 19 is outside the integers in \[1, 18\]"):
        Multiplier(19, 18)
