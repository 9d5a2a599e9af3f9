"""`shotveil demo`: budgets kept, a report written, and what it refuses."""

import contextlib
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from shotveil.host.commands.cli import main
from shotveil.host.commands.demo import DATA_BUDGET, DIGITS, NETWORK, WEIGHT_BUDGET
from shotveil.host.design.operating_point import Budgets, most_light, within_budgets
from shotveil.host.run.run import run
from shotveil.models.link.channel import Channel
from shotveil.models.link.labs import LABS
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import load_network

REALISTIC = Budgets(0.1, 0.01, weight_bound="holevo_amplified")
BOUNDS = {"crb_v1", "crb_prx", "qcrb", "holevo"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A run of 200 images: what it printed, its report, and all runs of which it consists."""
    path = tmp_path_factory.mktemp("demo") / "new" / "demo.html"
    runs = []

    def noted(*what, **how):
        runs.append((how["images"], run(*what, **how)))
        return runs[-1][1]

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr("shotveil.host.run.run.run", noted)
        with pytest.raises(SystemExit) as end:
            main(["demo", "--images", "200", "--out", str(path), "--json"])
    assert end.value.code == 0
    return SimpleNamespace(result=json.loads(printed.getvalue()), report=path, runs=runs)


def test_demo_writes_a_report_that_needs_no_other_file(demo):
    text = demo.report.read_text()
    assert text.count("<figure") == 5 <= text.count("data:image/svg+xml;")
    assert "http" not in text.replace("http-equiv", "")
    assert "accepted" in text
    for bound in BOUNDS:
        assert bound in text
    assert [p.name for p in demo.report.parent.iterdir()] == ["demo.html"]


def test_demo_stays_inside_the_budgets_it_names(demo):
    assert 0.0495 < demo.result["weight_leakage_bits"] <= 0.05
    assert 0.008 < demo.result["data_leakage_bits"]["holevo"] <= 0.01


def test_report_that_cannot_be_written_is_refused_before_the_work(shotveil, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    code, _, err = shotveil(f"demo --out {tmp_path}/file/demo.html")
    assert code == 2
    assert "cannot be written" in err
    code, _, err = shotveil(f"demo --out {tmp_path}")
    assert code == 2
    assert "cannot be written" in err


@pytest.mark.parametrize(
    "options, images, seed, out",
    [("", None, 1, "reports/demo.html"), ("--images 7 --seed 5 --out x.html", 7, 5, "x.html")],
)
def test_what_is_run_and_reported(shotveil, monkeypatch, small_network, options, images, seed, out):
    finished = run(small_network, Link(1.3, 6.0), images=3)
    runs, reports, asked = [], [], []

    def dry(network, link, **how):
        how.pop("progress", lambda *_: None)(3, 3)
        runs.append((network, link, how))
        return finished

    def light(network, channel, budgets):
        if budgets != REALISTIC:
            return most_light(network, channel, budgets)
        asked.append((network.name, channel, budgets))
        return Link(1.3, len(asked))

    monkeypatch.setattr("shotveil.host.run.run.run", dry)
    monkeypatch.setattr("shotveil.host.design.operating_point.most_light", light)
    monkeypatch.setattr(
        "shotveil.host.reports.report.write_report", lambda *what: reports.append(what)
    )
    code, said, _ = shotveil(f"demo {options}")
    assert code == 0 and said.endswith(f"\nreport: {out}\n") and "small" in said
    code, said, _ = shotveil(f"demo {options} --json")
    shown = json.loads(said)
    assert code == 0 and shown.pop("realistic") == finished.summary | {"tried": 4}
    assert shown == finished.summary
    assert reports == [(finished, Path(out))] * 2
    assert len(runs) == 12  # per demo the ideal run, one of each network, and the best of them
    (network, link, how), again = runs[0], runs[6]
    assert asked == [(name, LABS["realistic"].channel(), REALISTIC) for name in DIGITS] * 2
    # Each of them in its own light; equally good ones leave the first.
    assert [bench.photons for _, bench, _ in runs[1:6]] == [1, 2, 3, 4, 1]
    assert [one.name for one, _, _ in runs[1:6]] == [*DIGITS, DIGITS[0]]
    assert [what[2]["images"] for what in runs[1:6]] == [min(images or 500, 500)] * 4 + [
        min(images or 2000, 2000)
    ]
    assert again[2] == how == {"images": images, "seed": seed}
    assert network.digest == load_network("mnist").digest == load_network(NETWORK).digest
    assert (WEIGHT_BUDGET, DATA_BUDGET) == (0.05, 0.01)  # as the help says
    assert link == within_budgets(network, 0.05, 0.01, "holevo", Channel())


def test_refuses(refused):
    refused("demo --images -3", "images = -3 is outside")
    refused("demo --seed -1", "seed = -1 is outside")


def test_the_realistic_point_is_inside_its_budget_and_the_best_network_is_taken(demo):
    found = demo.result["realistic"]
    assert 0.0999 < found["weight_bounds_bits"]["holevo_amplified"] <= 0.1
    assert 0.00999 < found["data_leakage_bits"]["holevo"] <= 0.01
    assert found["network"] == "mnist-head", "only few rows keep to both"
    assert found["loss_imbalance"] > 0 and found["images"] == 200
    _, *tried, (images, best) = demo.runs
    alone = {one.summary["network"]: one.summary["accuracy"] for _, one in tried}
    assert list(alone) == list(DIGITS) and images == 200
    assert {images for images, _ in tried} == {200}
    assert best.summary["accuracy"] == found["accuracy"]
    assert found["accuracy"] == max(alone.values()) == alone[found["network"]]
