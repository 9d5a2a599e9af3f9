"""The sequencer: equal to the model to the bit, and in the clocks that are promised."""

import numpy as np
import pytest

from shotveil.gateware.node.sequencer import Sequencer
from shotveil.models.common.checks import RangeError
from shotveil.models.node import sequencer
from shotveil.sim.cases.node import DRAIN, Clocked, sequencer_cases
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from tests.gateware.node import bit_true


def test_in_amaranth():
    bit_true.in_amaranth("sequencer")


def test_as_verilog():
    bit_true.as_verilog("sequencer")


def test_as_shared_library():
    bit_true.as_shared_library("sequencer")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("sequencer", monkeypatch)


def test_pace():
    """`run` rises two clocks behind `start` and falls two behind the last frame's start; the output
    goes off `drain` clocks behind the frame."""
    n, begun, ended = 120, 20, 60
    busy = np.arange(begun + 1, ended)
    result = bit_true.play("sequencer", n, {}, {"grant": 1, "lead_in": 0, "watchdog": 1},
                  arm=np.arange(5, n), start=[10], started=[begun], busy=busy)  # fmt: skip
    out = result.outputs["o"]
    assert np.nonzero(out["run"])[0].tolist() == list(range(12, begun + 2))
    assert np.nonzero(out["arm_drive"])[0].tolist() == list(range(11, ended + DRAIN + 1))
    assert np.nonzero(out["flush"])[0].tolist() == list(range(ended + DRAIN + 1, n))
    assert out["state"][-1] == sequencer.SequencerState.DONE
    with pytest.raises(RangeError, match="drain = 0"):
        Sequencer(0)


def test_the_watchdog_expires_as_its_ticks_wrap(monkeypatch):
    """The node's ticks last 2^16 clocks; these last 16, so a host is often silent for one."""
    monkeypatch.setattr(sequencer, "TICK_BITS", 4)
    given = sequencer_cases(300, np.random.default_rng(7))
    faults = np.concatenate([case.expected["o"]["fault"] for case in given])
    assert (faults & sequencer.WATCHDOG).any() and not (faults & sequencer.WATCHDOG).all()
    component = Clocked(
        Sequencer(DRAIN, tick_bits=4), ("grant", "lead_in", "watchdog"), ("rows", "frames")
    )
    check(AmaranthBench(component), given)
