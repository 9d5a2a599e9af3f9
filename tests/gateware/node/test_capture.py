"""Raw records: equal to the model to the bit, and in the clocks that are promised."""

from shotveil.gateware.node.capture import Capture
from shotveil.sim.cases.node import SMALL
from tests.gateware.node import bit_true


def test_in_amaranth():
    bit_true.in_amaranth("capture")


def test_as_verilog():
    bit_true.as_verilog("capture")


def test_as_shared_library():
    bit_true.as_shared_library("capture")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("capture", monkeypatch)


def test_pace():
    depth = SMALL.capture
    result = bit_true.play("capture", 2 * depth + 20, {"words": depth}, {"on_frame": 0}, start=[3])
    assert result.first["words"] - result.first["o"] == 3 + depth - 1 + Capture.latency
    assert result.last["words"] - result.first["words"] == depth - 1
