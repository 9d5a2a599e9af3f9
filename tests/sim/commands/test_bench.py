"""`shotveil lab bench`: the list, a run, and its answer in JSON."""

import json

from shotveil.sim.benches import catalog
from tests.sim.benches.benching import quickest


def test_it_lists_the_benches(lab):
    code, out, _ = lab("bench")
    assert code == 0 and "dac" in out and "node_server" in out
    code, out, _ = lab("bench", "--json")
    assert code == 0 and json.loads(out)["dac"].startswith("DAC")


def test_it_runs_one_with_waves(lab, tmp_path):
    simulator = quickest()
    code, out, _ = lab("bench", "dac", "--sim", simulator, "--waves", "--out", tmp_path, "--json")
    assert code == 0
    answer = json.loads(out)["benches"]["dac"]
    assert answer["failed"] == [] and answer["tests"] > 20 and answer["coverage"] == 1.0
    waves = list((tmp_path / f"dac-{simulator}").glob("waves.*"))
    assert [str(path) for path in waves] == [answer["waves"]] and waves[0].stat().st_size > 1000


def test_a_failed_test_is_named(lab, tmp_path, monkeypatch):
    outcome = catalog.BenchOutcome(3, ("wrong",), {"p": {"a": 1, "b": 0}}, None)
    monkeypatch.setattr(catalog, "play", lambda *args, **more: outcome)
    code, out, err = lab("bench", "dac", "--out", tmp_path)
    assert code == 1 and "dac: wrong" in err
    assert "2 of 3 tests passed, 50% of the named bins" in out
