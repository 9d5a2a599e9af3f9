"""Symbols get their labels: equal to the model to the bit, and at the pace that is promised."""

import numpy as np
import pytest

from shotveil.gateware.digitiser.framing import DigitiserFraming
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("quadratures", [2, 1])
def test_in_amaranth(quadratures):
    bit_true.in_amaranth("framing", quadratures)


def test_as_verilog():
    bit_true.as_verilog("framing")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("framing", DigitiserFraming, monkeypatch)


def test_a_symbol_a_clock():
    component = DigitiserFraming(bit_true.SPECS[2])
    settings = {"row": 48, "pilots": 1, "spacing": 16, "vacuum": 6}
    mark = (np.arange(58) == 0).astype(np.int64)
    result = bit_true.play(component, bit_true.zeros(component, 58, mark=mark), 58, settings)
    assert result.first["o"] - result.first["i"] == DigitiserFraming.latency
    assert result.last["o"] - result.first["o"] == 57
