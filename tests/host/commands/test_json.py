"""`--json`: one object on standard output, and nothing else."""

import json

import pytest

from shotveil.host.commands.cli import main
from shotveil.host.ledger.budget import BudgetFilter
from tests.host.commands.walk import leaves

LIGHT = "--gain 1.3 --photons 6"
LINES = {
    "attack": "tap --sessions 2",
    "demo": "--images 5 --out demo.html",
    "device capture": "model:server --out record --rows 1",
    "device info": "model:client",
    "device selftest": "model:client",
    "figures": None,  # test_figures.py
    "infer": f"--images 5 {LIGHT}",
    "keys": "folder --client alice",
    "leakage": f"--modes 4 --rows 4 {LIGHT}",
    "ledger budget": "ledger.db --network small --bits 3",
    "ledger show": "ledger.db",
    "ledger verify": "ledger.db",
    "plan": None,  # tests/host/design/test_plan.py
    "registers": "",
    "sweep": None,  # tests/host/design/test_sweep.py
    **dict.fromkeys(("ask", "link", "serve")),  # test_parties.py
    **dict.fromkeys(("train",)),  # test_train.py
    **dict.fromkeys(("bench", "results")),  # half a minute each: the next test
}


def run(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    return json.loads(capsys.readouterr().out)


def test_the_list_has_all_commands_of_the_host():
    assert LINES.keys() == {" ".join(path) for path, _ in leaves() if path[0] != "lab"}


@pytest.mark.parametrize("name", [name for name, line in LINES.items() if line is not None])
def test_one_object(name, capsys, tmp_path, monkeypatch, small_network):
    monkeypatch.chdir(tmp_path)
    if name.startswith("ledger"):
        with BudgetFilter(tmp_path / "ledger.db") as accounts:
            accounts.register(small_network)
    found = run([*name.split(), *LINES[name].split(), "--json"], capsys)
    assert isinstance(found, dict) and found


def test_results_and_bench(capsys, monkeypatch):
    deviations = {"largest_deviation_fresh": 1.0, "largest_deviation_shared": 2.0}
    monkeypatch.setattr("shotveil.host.design.results.measured", lambda: {"accuracies": []})
    monkeypatch.setattr("shotveil.host.design.bench.measure", lambda *_: dict(deviations))
    assert run(["results", "--json"], capsys) == {"accuracies": []}
    assert run(["bench", "--json"], capsys) == deviations
    deviations["largest_deviation_shared"] = 4.1
    with pytest.raises(SystemExit) as end:
        main(["bench", "--json"])
    said = capsys.readouterr()
    assert end.value.code == 1 and json.loads(said.out) == deviations
    assert "differ by more than the counting error" in said.err


def test_results_as_the_readmes_tables(capsys, monkeypatch):
    monkeypatch.setattr("shotveil.host.design.results.accuracies", lambda: [("`x`", "9 %", "1")])
    monkeypatch.setattr("shotveil.host.design.results.demo_cost", lambda: (20.4, 0.5, 0.9))
    monkeypatch.setattr("shotveil.host.design.results.symbol_level_speed", lambda: 3e7)
    with pytest.raises(SystemExit):
        main(["results"])
    lines = capsys.readouterr().out.splitlines()
    assert "| `x` | 9 % | 1 |" in lines
    assert "| `shotveil demo`, 10,000 images with report | 20 s |" in lines
    assert "| symbol-level path | 30 million complex modes a second |" in lines


def test_all_attacks(capsys):
    found = run(["attack", "--list", "--json"], capsys)
    assert found["tap"] == {"strength": 0.01, "means": "fraction of the light"}
    with pytest.raises(SystemExit) as end:
        main(["attack"])
    assert end.value.code == 2
    assert "neither NAME nor --list is given" in capsys.readouterr().err
