"""The loop of homodyne mode: equal to the model to the bit, and at the pace that is promised."""

import pytest

from shotveil.gateware.digitiser.phase_lock import PhaseLock
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("quadratures", [1])
def test_in_amaranth(quadratures):
    bit_true.in_amaranth("phase_lock", quadratures)


def test_as_verilog():
    bit_true.as_verilog("phase_lock")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("phase_lock", PhaseLock, monkeypatch)


def test_latency():
    component = PhaseLock(bit_true.SPECS[1])
    result = bit_true.play(component, bit_true.zeros(component, 1), 1, {"span": 100})
    assert result.first["o"] - result.first["i"] == PhaseLock.latency
    assert len(component.o.payload) == 14  # as many as the phase shifter's converter has
