"""The preamble is correlated at every sample: to the bit, and at the pace that is promised."""

import pytest

from shotveil.gateware.digitiser.correlator import Correlator
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("quadratures", [2, 1])
def test_in_amaranth(quadratures):
    bit_true.in_amaranth("correlator", quadratures)
    bit_true.in_amaranth("correlator", quadratures, bit_true.BRISK)


def test_as_verilog():
    bit_true.as_verilog("correlator")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("correlator", Correlator, monkeypatch)
