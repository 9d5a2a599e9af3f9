"""The last test of a bench turns it red where named bins were not met."""

import json

import pytest

from shotveil.sim.benches import closing, coverage
from tests.sim.benches.benching import quickest


def test_a_bench_that_misses_bins_fails(tmp_path, monkeypatch):
    from shotveil.sim.benches import catalog

    # The tests of no bench, so that nothing is met: only the closing one runs.
    monkeypatch.setattr(catalog, "ROOM", "shotveil.sim.benches")
    runner = catalog.simulators.build("dac", catalog._module("dac").component(), quickest(), False)
    module = tmp_path / "bins_that_nobody_meets.py"
    module.write_text(
        "from shotveil.sim.benches.coverage import point\npoint('never', 'met')\n"
        "import cocotb\n@cocotb.test()\nasync def nothing(dut): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    tests, failed = catalog.simulators.run(
        runner, [module.stem, closing.__name__], 1, tmp_path, None
    )
    assert (tests, failed) == (2, ["named_bins_are_met"])
    hits = json.loads((tmp_path / closing.FILE).read_text())
    assert coverage.missed(hits) == ["never: met"]


def test_the_floor_is_a_share():
    assert pytest.approx(0.95) == coverage.FLOOR
