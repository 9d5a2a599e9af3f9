"""The phase of the pilots, and de-rotation: to the bit, and at the pace that is promised."""

import numpy as np
import pytest

from shotveil.gateware.digitiser.phase import Phase
from shotveil.models.digitiser.spec import ROW, DigitiserSpec
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("quadratures", [2, 1])
def test_in_amaranth(quadratures):
    bit_true.in_amaranth("phase", quadratures)


def test_as_verilog():
    bit_true.as_verilog("phase")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("phase", Phase, monkeypatch)


def test_a_row_passes_and_a_pilot_pauses_it():
    component = Phase(bit_true.SPECS[2])
    pilot = bit_true.zeros(component, 21, kind=np.where(np.arange(21) == 0, 0, ROW))
    result = bit_true.play(component, pilot, 21, {"phase_shift": 1}, phases=1)
    # Queue and register behind the pipeline: at least two clocks more, and two a symbol.
    assert result.first["o"] - result.first["i"] >= component.latency + 2
    assert result.last["i"] - result.first["i"] == component.pause + 20
    assert result.last["o"] - result.first["o"] <= component.pause + 2 * 20 + 2


def test_its_pauses_are_those_that_the_pace_of_symbols_counts_with():
    """`models.digitiser.pace` gives a measurement 11 clocks more than the CORDIC has iterations."""
    for iterations in (8, 16, 20):
        phase = Phase(DigitiserSpec(iterations=iterations))
        assert (phase.latency, phase.pause) == (iterations + 8, iterations + 11)
