"""`shotveil lab curves` writes what ships, from the same functions."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.host.run.extraction_curve import shipped_curve
from shotveil.models.networks.network import NETWORK_FOLDER, load_network


def test_it_writes_the_files_that_ship(tmp_path, monkeypatch, capsys):
    shipped = json.loads((NETWORK_FOLDER / "mnist-lossy.accuracy.json").read_bytes())
    accuracy = SimpleNamespace(accuracy=np.array(shipped["accuracy"]))
    extraction = shipped_curve(load_network("mnist-lossy").digest)
    monkeypatch.setattr("shotveil.host.run.curves.calibrated_curve", lambda *_, **__: accuracy)
    monkeypatch.setattr("shotveil.host.run.extraction_curve.measured", lambda *_, **__: extraction)
    with pytest.raises(SystemExit) as ended:
        main(["lab", "curves", "--network", "mnist-lossy", "--out", str(tmp_path), "--json"])
    assert not ended.value.code
    for kind, file in json.loads(capsys.readouterr().out).items():
        written = (tmp_path / f"mnist-lossy.{kind}.json").read_text()
        assert file.endswith(f"{kind}.json")
        assert json.loads(written) == json.loads(
            (NETWORK_FOLDER / f"mnist-lossy.{kind}.json").read_bytes()
        )
