"""Offset and shot-noise units: equal to the model to the bit, and at the pace that is promised."""

import numpy as np
import pytest

from shotveil.gateware.digitiser.normalisation import Normalisation
from shotveil.models.digitiser.spec import ROW, VACUUM
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("quadratures", [2, 1])
def test_in_amaranth(quadratures):
    bit_true.in_amaranth("normalisation", quadratures)
    bit_true.in_amaranth("normalisation", quadratures, bit_true.BRISK)


def test_as_verilog():
    bit_true.as_verilog("normalisation")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("normalisation", Normalisation, monkeypatch)


@pytest.mark.parametrize("kind, clocks", [(ROW, 1), (VACUUM, 3)])
def test_a_symbol_of_the_row_takes_a_clock(kind, clocks):
    component = Normalisation(bit_true.SPECS[2])
    given = bit_true.zeros(component, 40, kind=np.full(40, kind))
    result = bit_true.play(component, given, 40, {"scale_x": 1, "scale_p": 1})
    assert result.first["o"] - result.first["i"] == Normalisation.latency
    assert result.last["o"] - result.first["o"] == 39 * clocks
