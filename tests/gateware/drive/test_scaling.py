"""Symbols are scaled: equal to the model to the bit, and at the pace that is promised."""

import pytest

from shotveil.gateware.drive.scaling import Scaling
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run
from tests.gateware.drive import bit_true


def test_in_amaranth():
    bit_true.in_amaranth("scaling")


def test_as_verilog():
    bit_true.as_verilog("scaling")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("scaling", monkeypatch)


@pytest.mark.parametrize("spec", bit_true.SPECS)
def test_one_sample_a_clock(spec):
    component = Scaling(spec)
    given = bit_true.zeros(("i", "q", "reference", "first"), 200)
    (result,) = AmaranthBench(component).run(Run({}, {"i": given}, {"o": 200}))
    assert result.first["o"] - result.first["i"] == component.latency
    assert result.last["o"] - result.first["o"] == 199
