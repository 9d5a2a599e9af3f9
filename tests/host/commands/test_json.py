"""`--json`: one object on standard output, and nothing else."""

import json

import pytest

from shotveil.host.commands.cli import main
from shotveil.host.ledger.budget import BudgetFilter
from tests.host.commands.walk import leaves

LIGHT = "--gain 1.3 --photons 6"
LINES = {
    "attack": "tap --sessions 2",
    "demo": None,  # test_demo.py
    "doctor": None,  # test_doctor.py
    "features": None,  # test_features.py
    "device capture": "model:server --out record --rows 1",
    "device info": "model:client",
    "device selftest": "model:client",
    "figures": None,  # test_figures.py
    "infer": f"--images 5 {LIGHT}",
    "keys": "folder --client alice",
    "leakage": f"--modes 4 --rows 4 {LIGHT}",
    "ledger capacity": None,  # test_ledger.py
    "ledger budget": "ledger.db --network small --bits 3",
    "ledger backup": "ledger.db --to copy.db",
    "ledger init": "new.db",
    "ledger load": "loaded.db --servers 1 --clients 2 --reserves 20",
    "ledger move": "ledger.db --to moved.db",
    **dict.fromkeys(
        f"ledger {name}" for name in ("adopt", "checkpoint", "readmit", "restore", "settle")
    ),
    "ledger show": "ledger.db",
    "ledger upgrade": None,  # tests/host/ledger/test_postgres_tables.py
    "ledger verify": "ledger.db",
    "plan": None,  # test_plan.py
    "registers": "",
    "sweep": None,  # tests/host/design/test_sweep.py
    **dict.fromkeys(("ask", "link", "serve")),  # test_parties.py
    **dict.fromkeys(f"certificate {name}" for name in ("request", "revoke", "sign")),
    "compile": None,  # test_compile.py
    "console": None,  # test_console.py
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
        with BudgetFilter(tmp_path / "ledger.db", create=True) as accounts:
            accounts.register(small_network)
    found = run([*name.split(), *LINES[name].split(), "--json"], capsys)
    assert isinstance(found, dict) and found
