"""The bench of the DAC in the quickest simulator, and the proof that it finds a planted bug."""

from types import SimpleNamespace

import pytest

from shotveil.gateware.drive import dac
from shotveil.models.common.fixedpoint import Rounding
from shotveil.sim.benches import catalog
from tests.sim.benches.benching import ALL, passes, quickest


def test_bench_passes(tmp_path):
    passes("dac", tmp_path, quickest())


@ALL
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench_passes_in_each_simulator(tmp_path, simulator):
    passes("dac", tmp_path, simulator)


def test_bench_finds_codes_that_are_rounded_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(dac, "Rounding", SimpleNamespace(HALF_EVEN=Rounding.FLOOR))
    outcome = catalog.play("dac", tmp_path, quickest())
    assert "equals_the_model_in_every_case" in outcome.failed
