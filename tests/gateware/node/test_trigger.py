"""The trigger: equal to the model to the bit, and in the clocks that are promised."""

import numpy as np
import pytest

from shotveil.gateware.node.trigger import Trigger
from shotveil.models.node import trigger
from shotveil.sim.cases.node import Clocked
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import Case, check
from shotveil.sim.engines.run import Run
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


def edges_of(n, period, delay, rng):
    """An edge every few clocks, and frames that start at random; what has to come out."""
    level = np.zeros(n, np.int64)
    for at in range(8, n - 8, period):
        level[at + int(rng.integers(0, period - 3)) :][:2] = 1
    started = (rng.random(n) < 0.1).astype(np.int64)
    run = Run(
        {"triggered": 1, "delay": delay},
        {"i": {"trigger": level, "started": started}},
        {"o": n},
        linger=0,
    )
    return Case(run, {"o": {"hold": trigger.model(level, started, 1, delay)}})


def test_as_many_edges_wait_as_are_promised_and_no_more():
    """More edges come within the delay than can wait, and others do when those are through."""
    case = edges_of(900, 8, 400, np.random.default_rng(1))
    assert case.run.inputs["i"]["trigger"].sum() / 2 > 2 * trigger.PENDING
    held = np.asarray(case.expected["o"]["hold"])
    assert 0 < (np.diff(held) == -1).sum() < 2 * trigger.PENDING
    check(AmaranthBench(Clocked(Trigger(), ("triggered", "delay"))), [case])


@pytest.mark.parametrize("delay", [0, 300, 511])
def test_edges_wait_while_times_wrap(delay):
    """The node's times wrap after 0.3 s; these wrap after 1,024 clocks."""
    case = edges_of(3000, 40, delay, np.random.default_rng(delay))
    check(AmaranthBench(Clocked(Trigger(9), ("triggered", "delay"))), [case])
