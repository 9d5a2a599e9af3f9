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
    monkeypatch.setattr("shotveil.host.design.results.accuracies", lambda: [("`x`", "9 %", "1")])
    monkeypatch.setattr("shotveil.host.design.results.demo_cost", lambda: (20.4, 0.5, 0.9))
    monkeypatch.setattr("shotveil.host.design.results.symbol_level_speed", lambda: 3e7)
    with pytest.raises(SystemExit):
        main(["results"])
    lines = capsys.readouterr().out.splitlines()
    assert "| `x` | 9 % | 1 |" in lines
    assert "| `shotveil demo`, 10,000 images with report | 20 s |" in lines
    assert "| symbol-level path | 30 million complex modes a second |" in lines


@pytest.fixture
def few(monkeypatch):
    """The first hundred images stand for all."""
    images, labels = load_mnist(None, "test")
    known = {(None, "test"): (images[:100], labels[:100])}
    monkeypatch.setattr(results, "load_mnist", lambda *what: known[what])
    return images[:100], labels[:100]


def test_four_rows_of_two_networks(few):
    images, labels = few
    rows = list(results.accuracies())
    assert [row[0] for row in rows] == [
        "`mnist-paper`, ≤ 0.1 bit per weight, ≤ 0.01 bit per pixel (`crb_prx`)",
        "`mnist-paper`, F² = 2.4",
        "`mnist`, ≤ 0.05 bit per weight, ≤ 0.01 bit per pixel (`holevo`)",
        "`mnist`, F² = 0.3",
    ]
    paper, ours = load_network("mnist-paper"), load_network("mnist")
    expected = (
        (paper, within_budgets(paper, 0.1, 0.01, "crb_prx", Channel()), "crb_prx"),
        (paper, Link.through(Channel(), 1.3, f2=2.4), "crb_prx"),
        (ours, within_budgets(ours, 0.05, 0.01, "holevo", Channel()), "holevo"),
        (ours, Link.through(Channel(), 1.3, f2=0.3), "holevo"),
    )
    for (_, accuracy, leaked), (network, link, bound) in zip(rows, expected, strict=True):
        leakage = network_leakage(network, link)
        assert leaked == (
            f"{leakage.weight_leakage_bits:.4f} per weight, "
            f"{leakage.data_leakage_bits[bound]:.4f} per pixel (`{bound}`), F² = {link.f2:.3g}"
        )
        assert accuracy.endswith("%") and float(accuracy[:-1]) > 90
    network, link, _ = expected[3]
    seen = infer(network, images, link, np.random.default_rng(1), verify=False)
    assert rows[3][1] == f"{(seen.predictions == labels).mean():.2%}"


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
    monkeypatch.setattr(results, "accuracies", lambda: [("a", "9 %", "1"), ("b", "8 %", "2")])
    monkeypatch.setattr(results, "demo_cost", lambda: (20.4, 0.507, 0.9))
    monkeypatch.setattr(results, "symbol_level_speed", lambda: 3e7)
    monkeypatch.setattr(results.os, "cpu_count", lambda: 7)
    assert results.measured() == {
        "accuracies": [
            {"setting": "a", "accuracy": "9 %", "leakage": "1"},
            {"setting": "b", "accuracy": "8 %", "leakage": "2"},
        ],
        "processors": 7,
        "demo_seconds": 20.4,
        "demo_memory_gib": 0.507,
        "symbol_level_modes_per_second": 3e7,
    }
    assert "\n".join(results.markdown()).splitlines() == [
        "10,000 test images, T = 1, no technical noise, seed 1:",
        "",
        "| network and setting | accuracy | leakage, declared (bits) |",
        "|---|---|---|",
        "| a | 9 % | 1 |",
        "| b | 8 % | 2 |",
        "",
        "On 7 processors of this machine:",
        "",
        "| what | measured |",
        "|---|---|",
        "| `shotveil demo`, 10,000 images with report | 20 s |",
        "| its peak memory | 0.51 GiB |",
        "| symbol-level path | 30 million complex modes a second |",
    ]
