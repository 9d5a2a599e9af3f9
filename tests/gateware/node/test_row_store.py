"""Rows that stay: to the bit, at full pace, and nothing that was not loaded whole."""

from shotveil.sim.cases.node import RowsInBlockRam
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from tests.gateware.node import bit_true


def test_in_amaranth():
    check(AmaranthBench(RowsInBlockRam()), bit_true.cases("row_store", 0))


def test_as_verilog():
    bit_true.as_verilog("row_store")


def test_as_shared_library():
    bit_true.as_shared_library("row_store")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("row_store", monkeypatch)
