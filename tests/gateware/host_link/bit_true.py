"""A block of the host link against its model, to the bit: what the test file of each block calls.

In Amaranth's simulator, with and without pauses; and the proof that these tests can fail.
"""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module

from shotveil.sim.cases.host_link import BLOCKS
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.run import Run

SMALL = 20


def stalled(cases, stall, seed):
    """The same cases with pauses, all by one seed."""
    return [replace(case, run=replace(case.run, stall=stall, seed=seed)) for case in cases]


def cases(name, size, seed=4):
    return BLOCKS[name].cases(size, np.random.default_rng(seed))


def in_amaranth(name):
    """Frames of every kind, without pauses and with them."""
    given = cases(name, SMALL)
    bench = AmaranthBench(BLOCKS[name].component())
    check(bench, given)
    check(bench, stalled(given, 0.35, seed=8))


def fails_without(name, component, monkeypatch):
    """The tests of the block `name` are red where `component`, it or a part of it, is empty."""
    monkeypatch.setattr(component, "elaborate", lambda self, platform: Module())
    given = cases(name, 0, seed=1)
    given = [replace(case, run=replace(case.run, timeout=8000)) for case in given]
    with pytest.raises(AssertionError):
        check(AmaranthBench(BLOCKS[name].component()), given)


def play(component, inputs, due):
    """Play samples without a pause, for what it takes in clocks."""
    (result,) = AmaranthBench(component).run(Run(inputs=inputs, due=due))
    return result
