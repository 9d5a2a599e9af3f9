"""The trigger: equal to the model to the bit, and in the clocks that are promised."""

import numpy as np

from shotveil.models.node import trigger
from tests.gateware.node import bit_true


def test_in_amaranth():
    bit_true.in_amaranth("trigger")


def test_as_verilog():
    bit_true.as_verilog("trigger")


def test_as_shared_library():
    bit_true.as_shared_library("trigger")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("trigger", monkeypatch)


def test_pace():
    result = bit_true.play(
        "trigger", 60, {}, {"triggered": 1, "delay": 13}, trigger=np.arange(20, 25)
    )
    low = np.nonzero(result.outputs["o"]["hold"] == 0)[0]
    assert low[0] == 20 + trigger.LATENCY + 13
