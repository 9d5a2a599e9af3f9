"""The bench of the row store, and the proof that it finds a store that plays what is not there."""

import pytest

from shotveil.gateware.node import row_store
from shotveil.sim.benches import catalog
from tests.sim.benches.benching import ALL, passes, present


@ALL
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench_passes(tmp_path, simulator):
    passes("row_store", tmp_path, simulator)


@ALL
def test_bench_finds_a_store_that_takes_fewer_slots(tmp_path, monkeypatch):
    monkeypatch.setattr(row_store, "SLOTS", 512)
    present("verilator")
    outcome = catalog.play("row_store", tmp_path)
    assert any("no_slot_is_lost" in name for name in outcome.failed)
