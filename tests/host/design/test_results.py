"""The tables of results: what is measured, and how it is written."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.host.design import results
from shotveil.host.design.operating_point import within_budgets
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.inference import infer
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network


def test_results_as_the_readmes_tables(capsys, monkeypatch):
    monkeypatch.setattr(
        "shotveil.host.design.results.accuracies",
        lambda: [("`x`", "b", "1", "2", "3", "4", "5", "9 %")],
    )
    monkeypatch.setattr("shotveil.host.design.results.demo_cost", lambda: (20.4, 0.5, 0.9))
    monkeypatch.setattr("shotveil.host.design.results.symbol_level_speed", lambda: 3e7)
    with pytest.raises(SystemExit):
        main(["results"])
    lines = capsys.readouterr().out.splitlines()
    assert "| `x` | b | 1 | 2 | 3 | 4 | 5 | 9 % |" in lines
    assert "| `shotveil demo`, 10,000 images with report | 20 s |" in lines
    assert "| symbol-level path | 30 million complex modes a second |" in lines


@pytest.fixture
def few(monkeypatch):
    """The first hundred images stand for all."""
    images, labels = load_mnist(None, "test")
    known = {(None, "test"): (images[:100], labels[:100])}
    monkeypatch.setattr(results, "load_mnist", lambda *what: known[what])
    return images[:100], labels[:100]


def test_a_row_for_each_point_is_inside_its_budget(few):
    rows = list(results.accuracies())
    assert len(rows) == len(results.POINTS) >= 5 and len(set(rows)) == len(rows)
    for point, row in zip(results.POINTS, rows, strict=True):
        network = load_network(point.network)
        assert row[:3] == (f"`{point.network}`, {point.lab}", point.budget, f"{network.weights:,}")
        per_weight, most, total, image = (float(cell.replace(",", "")) for cell in row[3:7])
        assert per_weight < most < 3 * per_weight
        counted = per_weight if point.weight_bound == "holevo" else most
        assert counted <= (point.weight_bits or 1) and total <= (point.total_bits or 1e9)
        assert total == pytest.approx(per_weight * network.weights, rel=0.01)
        if point.data_bits is not None:
            most = sum(point.data_bits * layer.columns * layer.patches for layer in network.layers)
            assert 0 < image <= most + 0.05  # rounded
        assert float(row[7].strip("%")) > 90


def test_a_row_says_what_its_link_gives(few):
    images, labels = few
    point = results.POINTS[3]
    assert point == results.Showcase("mnist", "ideal", weight_bits=0.05)
    network = load_network("mnist")
    link = within_budgets(network, 0.05, 0.01, "holevo", Channel())
    leakage = network_leakage(network, link)
    row = list(results.accuracies())[3]
    assert row[3] == f"{leakage.weight_leakage_bits:.4f}"
    assert row[6] == f"{leakage.image_bits['holevo']:,.1f}"
    seen = infer(network, images, link, np.random.default_rng(1), verify=False)
    assert row[7] == f"{(seen.predictions == labels).mean():.2%}"


def test_budgets_in_words():
    assert results.POINTS[0].budget == "≤ 1,800 in all, ≤ 0.01 per data element"
    assert results.POINTS[2].budget == "≤ 0.1 per weight from any client, ≤ 0.01 per data element"
    assert results.POINTS[4].budget == "≤ 0.1 per weight, data open"


def clock(monkeypatch, *times):
    ticks = iter(times)
    monkeypatch.setattr(results, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))


def test_the_demo_is_measured_in_a_process_of_its_own(monkeypatch):
    asked = []

    def run(command, **how):
        asked.append((command, how))
        assert Path(command[-1]).parent.is_dir()
        said = json.dumps({"accuracy": 0.975})
        return subprocess.CompletedProcess(command, 0, said, f"images: 3 of 4\n{3 << 19}\n")

    monkeypatch.setattr(subprocess, "run", run)
    clock(monkeypatch, 100.0, 125.5)
    assert results.demo_cost() == (25.5, 1.5, 0.975)
    ((command, how),) = asked
    assert command[3:6] == ["demo", "--json", "--out"] and not Path(command[-1]).exists()
    assert how == {"capture_output": True, "text": True, "check": True}
    compile(command[2], "program", "exec")


def test_speed_is_modes_over_seconds(few, monkeypatch):
    asked = []
    monkeypatch.setattr(results, "infer", lambda *what, **how: asked.append((what, how)))
    clock(monkeypatch, 10.0, 14.0)
    layers = load_network("mnist").layers
    modes = sum(layer.rows * layer.modes for layer in layers)
    assert results.symbol_level_speed(8) == 8 * modes / 4
    (((network, images, link, _), how),) = asked
    assert network.digest == load_network("mnist").digest and how == {"symbol_level": True}
    assert len(images) == 8 and link == Link(1.3, 6)
    clock(monkeypatch, 0.0, 1.0)
    assert results.symbol_level_speed() == 100 * modes and len(asked[1][0][1]) == 100


def test_both_tables(monkeypatch):
    monkeypatch.setattr(results, "accuracies", lambda: [tuple("abcdefgh"), tuple("hijklmno")])
    monkeypatch.setattr(results, "demo_cost", lambda: (20.4, 0.507, 0.9))
    monkeypatch.setattr(results, "symbol_level_speed", lambda: 3e7)
    monkeypatch.setattr(results.os, "cpu_count", lambda: 7)
    assert results.measured() == {
        "accuracies": [
            dict(zip(results.HEAD, "abcdefgh", strict=True)),
            dict(zip(results.HEAD, "hijklmno", strict=True)),
        ],
        "processors": 7,
        "demo_seconds": 20.4,
        "demo_memory_gib": 0.507,
        "symbol_level_modes_per_second": 3e7,
    }
    assert "\n".join(results.markdown()).splitlines() == [
        "10,000 test images, seed 1, declared leakage of one inference (`holevo`):",
        "",
        "| network and laboratory | budget (bits) | private weights | bits per weight "
        "| from any client | total bits | bits per image | accuracy |",
        "|---|---|---|---|---|---|---|---|",
        "| a | b | c | d | e | f | g | h |",
        "| h | i | j | k | l | m | n | o |",
        "",
        "On 7 processors of this machine:",
        "",
        "| what | measured |",
        "|---|---|",
        "| `shotveil demo`, 10,000 images with report | 20 s |",
        "| its peak memory | 0.51 GiB |",
        "| symbol-level path | 30 million complex modes a second |",
    ]
