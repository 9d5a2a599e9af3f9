"""`shotveil lab bounds` holds the bound against what its optimisers reach."""

import json

import pytest
from click.testing import CliRunner

import shotveil.sim.commands.bounds as module


def test_no_optimiser_exceeds_the_bound(monkeypatch):
    monkeypatch.setattr(module, "INFERENCES", (100,))
    monkeypatch.setattr(module, "TRANSMITTANCES", (0.99,))
    monkeypatch.setattr(module, "STEPS", 40)
    asked = ["--spectra", "5", "--starts", "1"]
    result = CliRunner().invoke(module.bounds, [*asked, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["cases"]) == len(module.LIGHT)
    assert 0.5 < found["reached_over_holevo"] <= 1
    assert 1 <= found["holevo_over_best"] <= 1.02
    for case in found["cases"]:
        assert case["best_over_holevo"] == pytest.approx(1 / case["holevo_over_best"])
        assert 0 < case["shipped_over_holevo"] <= case["best_over_holevo"]
    shown = CliRunner().invoke(module.bounds, asked).stdout.splitlines()
    assert len(shown) == 1 + len(module.LIGHT) + 2
    assert "holevo at most 1.0" in shown[-1]


def test_refuses_numbers_out_of_range():
    assert CliRunner().invoke(module.bounds, ["--spectra", "-1"]).exit_code
    assert CliRunner().invoke(module.bounds, ["--starts", "0"]).exit_code
