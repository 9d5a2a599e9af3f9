import gzip

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.models.networks.features import load_front_end
from shotveil.models.networks.mnist import load_mnist


def test_writes_a_front_end(tmp_path, capsys):
    images, labels = load_mnist()
    pixels = np.rint(images[:100] * 255).astype(np.uint8)
    header = np.array([0x803, 100, 28, 28], ">u4").tobytes()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + pixels.tobytes()))
    header = np.array([0x801, 100], ">u4").tobytes()
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(header + labels[:100].tobytes())
    out = tmp_path / "a.features"
    with pytest.raises(SystemExit) as stop:
        main(f"features --data {tmp_path} --images 100 --dictionary 4 --out {out}".split())
    assert stop.value.code == 0
    made = load_front_end(out)
    assert made.digest[:16] in capsys.readouterr().out
    assert (made.features, made.about["images"]) == (128, 100)
