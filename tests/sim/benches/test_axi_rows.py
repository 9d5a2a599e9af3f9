"""The bench of rows in a processor's memory, and the proof that it finds a memory read too soon."""

import pytest

from shotveil.gateware.axi import row_memory
from shotveil.sim.benches import catalog
from tests.sim.benches.benching import ALL, passes, present


@ALL
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench_passes(tmp_path, simulator):
    passes("axi_rows", tmp_path, simulator)


@ALL
def test_bench_finds_symbols_that_are_taken_for_larger(tmp_path, monkeypatch):
    monkeypatch.setattr(row_memory, "SYMBOL", 16)
    present("verilator")
    outcome = catalog.play("axi_rows", tmp_path)
    assert len(outcome.failed) >= 3
