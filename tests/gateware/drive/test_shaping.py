"""Pulses are shaped: equal to the model to the bit, and at the pace that is promised."""

import pytest

from shotveil.gateware.drive.shaping import Shaping
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run
from tests.gateware.drive import bit_true


def test_in_amaranth():
    bit_true.in_amaranth("shaping")


def test_as_verilog():
    bit_true.as_verilog("shaping")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("shaping", monkeypatch)


@pytest.mark.parametrize("spec", bit_true.SPECS)
def test_it_takes_a_symbol_every_few_clocks_and_never_pauses(spec):
    component = Shaping(spec)
    samples = 100 * spec.samples_per_symbol
    given = bit_true.zeros(("i", "q", "fault", "first"), 100)
    (result,) = AmaranthBench(component).run(Run({}, {"i": given}, {"o": samples}))
    assert result.first["o"] - result.first["i"] == component.latency
    assert result.last["o"] - result.first["o"] == samples - 1
    assert result.last["i"] - result.first["i"] == 99 * spec.samples_per_symbol
