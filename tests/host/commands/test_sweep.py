"""`shotveil sweep`: what is computed of a file, what is said of it, and what is refused."""

import json
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from shotveil.host.design import sweep as sweeps

TWO = "[grid]\nphotons = [1, 2]\nimages = [0]\n"


@pytest.fixture
def runs(monkeypatch):
    """What `run` is given by a command; one point of those asked for is computed."""
    found = []

    def dry(points, out, **how):
        how["progress"](1)
        found.append((points, out, how))
        return 1

    monkeypatch.setattr(sweeps, "run", dry)
    return found


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.toml").write_text(TWO)
    return tmp_path / "two.toml"


def test_what_is_computed_where_nothing_else_is_asked_for(shotveil, runs, settings):
    assert shotveil("sweep two.toml --out x.parquet") == (
        0,
        "x.parquet: 2 points, 1 of them computed now\n",
        "",
    )
    ((points, out, how),) = runs
    assert points == sweeps.read_points(settings) and out == Path("x.parquet")
    del how["progress"]
    assert how == {"data": None, "scheduler": None, "workers": None}


def test_every_option_reaches_the_sweep(shotveil, runs, settings, tmp_path):
    code, out, _ = shotveil(
        "sweep two.toml --out x.parquet --scheduler tcp:1 --workers 1 --data images --json"
    )
    assert code == 0 and json.loads(out) == {"out": "x.parquet", "points": 2, "computed": 1}
    ((_, _, how),) = runs
    del how["progress"]
    # Workers elsewhere have another working directory, so they get the whole path.
    assert how == {"data": str(tmp_path / "images"), "scheduler": "tcp:1", "workers": 1}


def test_progress_is_of_all_points(shotveil, runs, settings, monkeypatch):
    monkeypatch.setattr("shotveil.host.commands.show.SECONDS_BETWEEN_LINES", 0.0)
    _, _, err = shotveil("sweep two.toml --out x.parquet")
    assert err.startswith("points: 1 of 2, ")


@pytest.mark.parametrize(
    "options, message",
    [
        ("two.toml", "Missing option '--out'"),
        ("--out x.parquet", "Missing argument 'SETTINGS'"),
        ("none.toml --out x.parquet", "none.toml"),
        ("two.toml --out x.parquet --workers 0", "workers = 0 is outside [1, ∞)"),
    ],
)
def test_refuses(refused, runs, settings, options, message):
    refused(f"sweep {options}", message)
    assert runs == []
