"""Runs of cocotb benches in tests. The quick ones run in every test run, all of them with
SHOTVEIL_BENCHES=1; a simulator that is not installed is skipped by name."""

import os

import pytest

from shotveil.sim.benches import catalog, coverage
from shotveil.sim.engines import simulators

EVERY = os.environ.get("SHOTVEIL_BENCHES") == "1"
ALL = pytest.mark.skipif(not EVERY, reason="set SHOTVEIL_BENCHES=1 to run all cocotb benches")


def present(simulator):
    """Skip, with the reason, where a simulator is not installed."""
    if absent := simulators.missing(simulator):
        pytest.skip(absent)


def quickest():
    """The simulator that builds fastest of those that are installed."""
    for simulator in ("icarus", "verilator"):
        if not simulators.missing(simulator):
            return simulator
    pytest.skip("neither Icarus Verilog nor Verilator is installed")


def passes(name, folder, simulator):
    """A bench's tests are green on its block, and they meet its named bins."""
    present(simulator)
    outcome = catalog.play(name, folder, simulator)
    assert outcome.failed == () and outcome.tests >= 2, (folder / "log.txt").read_text()[-4000:]
    assert coverage.share(outcome.hits) >= coverage.FLOOR
    assert (folder / "coverage.html").read_text().count("<tr>") > 1
