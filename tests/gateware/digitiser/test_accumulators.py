"""Sums of frames, sessions and modes: to the bit, and at the pace that is promised."""

import pytest

from shotveil.gateware.digitiser.accumulators import Accumulators
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("quadratures", [2, 1])
def test_in_amaranth(quadratures):
    bit_true.in_amaranth("accumulators", quadratures)


def test_two_samples_a_symbol_in_amaranth():
    bit_true.in_amaranth("accumulators", 2, bit_true.BRISK)


def test_as_verilog():
    bit_true.as_verilog("accumulators")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("accumulators", Accumulators, monkeypatch)
