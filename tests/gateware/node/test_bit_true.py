"""Blocks of a node against their models, to the bit: in Amaranth's simulator and as Verilog, with
and without pauses. And the proof that these tests can fail."""

import numpy as np
import pytest
from amaranth.hdl import Module

from shotveil.sim.cases.drive import stalled
from shotveil.sim.cases.node import BLOCKS
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.shared_library import LibraryBench
from shotveil.sim.engines.verilator_bench import VerilatorBench


def cases(name, size, seed=4):
    return BLOCKS[name].cases(size, np.random.default_rng(seed))


@pytest.mark.parametrize("name", BLOCKS)
def test_in_amaranth(name):
    check(AmaranthBench(BLOCKS[name].component()), cases(name, 0)[:3])


@pytest.mark.parametrize("name", BLOCKS)
def test_as_verilog(name):
    bench = VerilatorBench(BLOCKS[name].component(), f"node_{name}")
    check(bench, cases(name, 2000))
    check(bench, stalled(cases(name, 200, seed=5), 0.35, seed=9))


@pytest.mark.parametrize("name", BLOCKS)
def test_as_shared_library(name):
    bench = LibraryBench(BLOCKS[name].component(), f"node_{name}")
    for seed in range(20):
        check(bench, cases(name, 2000, seed))


@pytest.mark.parametrize("name", BLOCKS)
def test_an_empty_design_fails(name, monkeypatch):
    monkeypatch.setattr(BLOCKS[name].gut, "elaborate", lambda self, platform: Module())
    with pytest.raises(AssertionError):
        check(AmaranthBench(BLOCKS[name].component()), cases(name, 0)[:3])
