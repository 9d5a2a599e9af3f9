"""The bench of the trigger in the quickest simulator, and the proof that it finds a planted bug."""

import pytest

from shotveil.gateware.node import trigger
from shotveil.sim.benches import catalog
from tests.sim.benches.benching import ALL, passes, quickest


@ALL
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench_passes(tmp_path, simulator):
    passes("trigger", tmp_path, simulator)


def test_bench_finds_a_trigger_that_keeps_fewer_edges(tmp_path, monkeypatch):
    monkeypatch.setattr(trigger, "PENDING", 2)
    outcome = catalog.play("trigger", tmp_path, quickest())
    assert outcome.failed
