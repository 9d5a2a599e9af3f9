"""`shotveil train` from a folder of IDX files to a network that `infer` takes."""

import gzip
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network

pytest.importorskip("torch")


@pytest.fixture
def folder(tmp_path):
    """The first thousand test images under the training set's names."""
    images, labels = load_mnist(None, "test")
    pixels = np.rint(images[:1000] * 255).astype(np.uint8)
    header = np.array([0x803, 1000, 28, 28], ">u4").tobytes()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + pixels.tobytes()))
    header = np.array([0x801, 1000], ">u4").tobytes()
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(header + labels[:1000].tobytes())
    return tmp_path


@pytest.mark.parametrize("options, f2", [("--f2 20 --distort", 20), ("--validation 0.1", None)])
def test_trains_a_network_that_infer_takes(folder, capsys, options, f2):
    out = folder / "mine.npz"
    command = f"train --data {folder} {options} --hidden 48,32 --epochs 12 --batch 50 --out {out}"
    with pytest.raises(SystemExit) as stop:
        main(command.split())
    assert stop.value.code == 0
    assert capsys.readouterr().err.count("epoch") == 12
    network = load_network(out)
    assert [layer.rows for layer in network.layers] == [48, 32, 10]
    assert network.name == "mine"
    assert network.about["training"]["f2"] == f2
    assert (network.about["training"]["rotation"] == 0) == (f2 is None)
    with pytest.raises(SystemExit):
        main(f"infer --network {out} --gain 1.3 --f2 20 --images 1000 --json".split())
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.5


@pytest.fixture
def table(tmp_path):
    """Three classes of 6 columns, far apart, called by names, as a table."""
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 3, 300)
    x = 50 + 10 * (np.eye(6)[classes] + 0.1 * rng.standard_normal((300, 6)))
    rows = [f"{','.join(map(str, row))},{'abc'[k]}" for row, k in zip(x, classes, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["u,v,w,x,z,q,kind", *rows]))
    return tmp_path / "t.csv"


def train(capsys, options):
    with pytest.raises(SystemExit) as stop:
        main(["train", *map(str, options)])
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err


SMALL = ("--bias", "--normalise", "--batch", 20, "--epochs", 8, "--threads", 1)


def test_names_and_normalisation_of_a_table_travel_with_the_network(table, capsys):
    out = table.with_name("t.npz")
    asked = ["--data", table, "--label", "kind", "--hidden", "", "--out", out, "--f2", 30, *SMALL]
    code, _, err = train(capsys, [*asked, "--learning-rate", 0.05])
    assert code == 0 and "too few columns" not in err
    network = load_network(out)
    assert network.plan.task.names == ("a", "b", "c") and network.inputs == 6
    with pytest.raises(SystemExit):
        main(f"infer --network {out} --data {table} --label kind --gain 1.3 --f2 30 --json".split())
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.95


def test_a_budget_chooses_the_light_and_says_what_it_can_tell_apart(table, capsys):
    out = table.with_name("t.npz")
    asked = ["--data", table, "--label", "kind", "--hidden", "", "--out", out, *SMALL]
    code, _, err = train(capsys, [*asked, "--weight-budget", 0.01])
    assert code == 0
    first = err.splitlines()[0]
    assert first.startswith("too few columns for this light: 7 columns and 3 rows at F² = ")
    f2 = load_network(out).about["training"]["f2"]
    assert 0 < f2 < 0.05 and f"F² = {f2:.3g}:" in first
    code, out, err = train(capsys, [*asked, "--weight-budget", 0.01, "--f2", 1])
    assert (code, out) == (2, "") and "F² = 1 leaks" in err and "allowed: at most 0.01" in err


DIES = """
import os, signal
from shotveil.host.run import training
from shotveil.host.commands.cli import main
write, calls = training.write_atomically, []

def dies(path, data):
    calls.append(path)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)

training.write_atomically = dies
main()
"""


def test_a_kill_costs_no_more_than_an_epoch(table, capsys):
    """The worst moment for SIGKILL is after an epoch and before its state is saved."""
    asked = [
        "--data", table, "--label", "kind", "--hidden", "32", "--f2", 3, *SMALL,
        "--epochs", 5, "--validation", 0.2, "--json",
    ]  # fmt: skip
    code, out, _ = train(capsys, [*asked, "--out", table.with_name("whole.npz")])
    assert code == 0
    whole = json.loads(out)["digest"]
    asked = [*asked, "--out", table.with_name("killed.npz")]
    died = subprocess.run(
        [sys.executable, "-c", DIES, "train", *map(str, asked)], capture_output=True, text=True
    )
    assert died.returncode == -signal.SIGKILL
    assert [line.split()[1] for line in died.stderr.splitlines()] == ["1/5:", "2/5:"]
    code, out, err = train(capsys, asked)
    assert [line.split()[1] for line in err.splitlines()] == ["3/5:", "4/5:", "5/5:"]
    assert code == 0 and json.loads(out)["digest"] == whole
