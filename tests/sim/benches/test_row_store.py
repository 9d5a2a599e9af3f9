"""The bench of the row store, and the proof that it finds a store with room for fewer slots."""

import functools

import pytest

from shotveil.gateware.node.row_store import RowStore
from shotveil.sim.benches import catalog
from shotveil.sim.cases import node
from tests.sim.benches.benching import ALL, passes, present


@ALL
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench_passes(tmp_path, simulator):
    passes("row_store", tmp_path, simulator)


@ALL
def test_bench_finds_a_store_that_takes_fewer_slots(tmp_path, monkeypatch):
    monkeypatch.setattr(node, "RowStore", functools.partial(RowStore, slots=512))
    present("verilator")
    outcome = catalog.play("row_store", tmp_path)
    assert any("no_slot_is_lost" in name for name in outcome.failed)
