"""Verilog of a component: its ports, its name, nothing of where it came from, each time alike."""

import os
import re

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.sim.engines.verilog import emit


class Sum(wiring.Component):
    """Adds to a stream that is always taken."""

    def __init__(self):
        super().__init__(
            {
                "offset": In(4),
                "i": In(stream.Signature(8, always_ready=True)),
                "o": Out(stream.Signature(8, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        assert isinstance(platform, Primitive)
        m = Module()
        kept = Signal(8, attrs={"internal.note": "x"})
        m.d.sync += kept.eq(self.i.p + self.offset)
        m.d.comb += [self.o.p.eq(kept), self.o.valid.eq(self.i.valid)]
        return m


def ports(text, name):
    return set(re.search(rf"module {name}\(([^)]*)\)", text)[1].replace("\n", " ").split(", "))


def test_ports_are_those_that_a_signature_leaves_open():
    text = emit(Sum())
    assert isinstance(Sum().i.ready, Const)
    assert ports(text, "dut") == {
        "offset", "i__payload", "i__valid", "o__payload", "o__valid", "clk", "rst",
    }  # fmt: skip
    assert ports(emit(Sum(), "other"), "other") == ports(text, "dut")


def test_the_text_depends_on_the_design_alone():
    text = emit(Sum())
    assert text == emit(Sum())
    assert __file__ not in text and "src =" not in text


def test_the_environment_is_left_as_it_was(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    first = emit(Sum())
    assert os.environ["PYTHONHASHSEED"] == "77"
    monkeypatch.delenv("PYTHONHASHSEED")
    assert emit(Sum()) == first
    assert "PYTHONHASHSEED" not in os.environ


def test_a_design_hears_what_its_multipliers_are_made_of():
    heard = []

    class Asked(Sum):
        def elaborate(self, platform):
            heard.append((platform, os.environ.get("PYTHONHASHSEED")))
            return super().elaborate(platform)

    emit(Asked())
    emit(Asked(), primitive=Primitive.ECP5)
    assert heard == [(Primitive.INFERRED, "0"), (Primitive.ECP5, "0")]
