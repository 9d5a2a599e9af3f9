"""The bench of the link behind AXI, and the proof that it finds a ring that takes too much."""

import pytest

from shotveil.gateware.axi import mailbox
from shotveil.sim.benches import catalog
from tests.sim.benches.benching import ALL, passes, quickest


@ALL
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench_passes(tmp_path, simulator):
    passes("axi_link", tmp_path, simulator)


@ALL
def test_bench_finds_a_ring_that_takes_one_byte_too_many(tmp_path, monkeypatch):
    """One byte over the length is accepted, and would overwrite what was not taken."""
    monkeypatch.setattr(mailbox, "RING", 2 * mailbox.RING)
    outcome = catalog.play("axi_link", tmp_path, quickest())
    assert outcome.failed
