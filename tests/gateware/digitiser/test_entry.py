"""ADC words become samples: equal to the model to the bit, and at the pace that is promised."""

import pytest

from shotveil.gateware.digitiser.entry import Entry
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("quadratures", [2, 1])
def test_in_amaranth(quadratures):
    bit_true.in_amaranth("entry", quadratures)


def test_as_verilog():
    bit_true.as_verilog("entry")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("entry", Entry, monkeypatch)


def test_a_sample_a_clock():
    component = Entry(bit_true.SPECS[2])
    result = bit_true.play(component, bit_true.zeros(component, 50), 50)
    assert result.first["o"] - result.first["i"] == Entry.latency
    assert result.last["o"] - result.first["o"] == 49
