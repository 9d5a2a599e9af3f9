"""Frames and symbols are placed: to the bit, and at the pace that is promised."""

import numpy as np
import pytest

from shotveil.gateware.digitiser.synchroniser import Synchroniser
from shotveil.sim.cases.digitiser import synchroniser_cases
from shotveil.sim.engines.equality import check
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("quadratures", [2, 1])
def test_in_amaranth(quadratures):
    bit_true.in_amaranth("synchroniser", quadratures)
    bit_true.in_amaranth("synchroniser", quadratures, bit_true.BRISK)


def test_as_verilog():
    bit_true.as_verilog("synchroniser")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("synchroniser", Synchroniser, monkeypatch)


def test_frames_by_the_clock_alone():
    given = synchroniser_cases(bit_true.SPECS[2], 6000, np.random.default_rng(6), free_run=1)
    check(bit_true.verilator("synchroniser", bit_true.SPECS[2]), given)
