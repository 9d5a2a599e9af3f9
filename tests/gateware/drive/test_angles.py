"""A table of angles is replayed: to the bit, and at the pace that is promised."""

from tests.gateware.drive import bit_true


def test_in_amaranth():
    bit_true.in_amaranth("angles")


def test_as_verilog():
    bit_true.as_verilog("angles")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("angles", monkeypatch)
