"""`shotveil figures`: files where they were asked for, and refusals before anything is drawn."""

import json
from pathlib import Path

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.host.figures import collection
from shotveil.models.networks.network import Layer, Network


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path / "cache"))
    network = Network("small", (Layer(np.random.default_rng(1).normal(size=(10, 784))),))
    network.save(tmp_path / "small.npz")
    return str(tmp_path / "small.npz")


def test_writes_what_it_names(small, tmp_path, monkeypatch, capsys):
    # The first figure of either kind; all of them are drawn in tests/host/figures.
    for name in ("accuracy_drawings", "leakage_drawings"):
        whole = getattr(collection, name)
        monkeypatch.setattr(
            collection,
            name,
            lambda *settings, whole=whole: [next(whole(*settings))],
        )
    arguments = ["figures", "--out", str(tmp_path / "out"), "--network", small]
    with pytest.raises(SystemExit) as exit_:
        main([*arguments, "--images", "40", "--json"])
    assert exit_.value.code == 0
    files = [Path(name) for name in json.loads(capsys.readouterr().out)["files"]]
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    assert {file.stem for file in files} == {"accuracy-f2-small", "leakage-dimension-published"}
    assert len((tmp_path / "out" / "accuracy-f2-small.csv").read_text().splitlines()) == 513


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--gain", "1", "gain = 1 is outside (1, 1e+06]"),
        ("--photons", "0", "photons = 0 is outside (0, ∞)"),
        ("--images", "10001", "images = 10001 is outside [1, 10000]"),
        ("--network", "none", "network none is not found"),
    ],
)
def test_refuses(tmp_path, capsys, option, value, message):
    with pytest.raises(SystemExit) as exit_:
        main(["figures", "--out", str(tmp_path / "out"), option, value])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
