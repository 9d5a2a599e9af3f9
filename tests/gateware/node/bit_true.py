"""A block of a node against its model, to the bit: what the test file of each block calls.

In Amaranth's simulator, as Verilog, and as a shared library; with and without pauses. And the proof
that these tests can fail.
"""

import numpy as np
import pytest
from amaranth.hdl import Module

from shotveil.sim.cases.drive import stalled
from shotveil.sim.cases.node import BLOCKS
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.run import Run
from shotveil.sim.engines.shared_library import LibraryBench
from shotveil.sim.engines.verilator_bench import VerilatorBench
from tests.gateware.patience import hurried


def cases(name, size, seed=4):
    return BLOCKS[name].cases(size, np.random.default_rng(seed))


def in_amaranth(name):
    """A few short cases."""
    check(AmaranthBench(BLOCKS[name].component()), hurried(cases(name, 0)[:3]))


def as_verilog(name):
    """Longer ones, and then some with pauses."""
    bench = VerilatorBench(BLOCKS[name].component(), f"node_{name}")
    check(bench, cases(name, 2000))
    check(bench, stalled(cases(name, 200, seed=5), 0.35, seed=9))


def as_shared_library(name):
    """Many of them."""
    bench = LibraryBench(BLOCKS[name].component(), f"node_{name}")
    for seed in range(20):
        check(bench, cases(name, 2000, seed))


def fails_if_empty(name, monkeypatch):
    """The tests of a block are red where it does nothing."""
    monkeypatch.setattr(BLOCKS[name].gut, "elaborate", lambda self, platform: Module())
    with pytest.raises(AssertionError):
        check(AmaranthBench(BLOCKS[name].component()), hurried(cases(name, 0)[:3]))


def play(name, n, due, settings=None, **ones):
    """Run a block for n clocks with inputs that are 0 but for the clocks named."""
    component = BLOCKS[name].component()
    inputs = {field: np.zeros(n, np.int64) for field, _ in component.i.payload.shape()}
    for field, clocks in ones.items():
        inputs[field][clocks] = 1
    run = Run(settings or {}, {"i": inputs}, {"o": n, **due}, linger=0)
    (result,) = AmaranthBench(component).run(run)
    return result
