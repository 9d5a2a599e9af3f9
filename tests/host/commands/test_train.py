"""`shotveil train` from a folder of IDX files to a network that `infer` takes."""

import gzip
import json

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
