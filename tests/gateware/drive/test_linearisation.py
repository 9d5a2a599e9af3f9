"""The voltage for a field: equal to the model to the bit, and at the pace that is promised."""

import pytest

from shotveil.gateware.drive.linearisation import Linearisation
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run
from tests.gateware.drive import bit_true


def test_in_amaranth():
    bit_true.in_amaranth("linearisation")


def test_as_verilog():
    bit_true.as_verilog("linearisation")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("linearisation", monkeypatch)


@pytest.mark.parametrize("spec", bit_true.SPECS)
def test_one_sample_a_clock(spec):
    component = Linearisation(spec)
    given = bit_true.zeros(("i", "q", "fault", "first"), 200)
    (result,) = AmaranthBench(component).run(Run({}, {"i": given}, {"o": 200}))
    assert result.first["o"] - result.first["i"] == component.latency
    assert result.last["o"] - result.first["o"] == 199
