"""The bench of the reader of memory, and the proof that it finds a reader that asks too far."""

import pytest

from shotveil.gateware.axi import reader
from shotveil.sim.benches import catalog
from tests.sim.benches.benching import ALL, passes, present


@ALL
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench_passes(tmp_path, simulator):
    passes("axi_reader", tmp_path, simulator)


@ALL
def test_bench_finds_a_reader_whose_bursts_are_too_long(tmp_path, monkeypatch):
    """Of 32 words: what AXI3 cannot say, and what may cross a page."""
    monkeypatch.setattr(reader, "LONGEST", 32)
    present("verilator")
    outcome = catalog.play("axi_reader", tmp_path)
    assert len(outcome.failed) >= 3
