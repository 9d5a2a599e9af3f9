"""`shotveil lab majorant` writes the table that it makes."""

import json

import numpy as np
from click.testing import CliRunner

import shotveil.host.leakage.majorant as majorant_module
from shotveil.sim.commands.majorant import majorant


def test_it_writes_the_planes_of_the_grid(tmp_path, monkeypatch):
    monkeypatch.setattr(majorant_module, "_MODULATION", np.array([1.0, 2.0]))
    monkeypatch.setattr(majorant_module, "_EXCESS_NOISE", np.array([-3.0]))
    monkeypatch.setattr(majorant_module, "_LOST_AMPLITUDE", np.array([-2.0]))
    out = tmp_path / "table.npz"
    result = CliRunner().invoke(majorant, ["--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"table": str(out), "planes": 4}
    with np.load(out) as table:
        assert table["planes"].shape == (2, 1, 2, 4)
        assert (table["planes"] >= 0).all()
