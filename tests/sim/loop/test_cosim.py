"""What `shotveil lab cosim` does, for 2 digits."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.commands.cli import main
from shotveil.host.devices.calibration import NodeCalibration
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import load_network
from shotveil.sim.loop.backend import through_nodes
from shotveil.sim.loop.pool import infer_in_processes
from shotveil.sim.loop.run import Disagreement, require_agreement
from shotveil.sim.loop.session import Loop, channel
from shotveil.sim.loop.settings import realistic


def test_two_digits_and_their_report(tmp_path, capsys):
    path = tmp_path / "cosim.html"
    arguments = ["--images", "2", "--record-frames", "60", "--report", str(path)]
    with pytest.raises(SystemExit) as end:
        main(["lab", "cosim", *arguments])
    assert end.value.code == 0
    output = capsys.readouterr().out
    assert "100.00% of 2 images" in output
    assert "same bits in all sums and values of 2 images" in output
    found = re.search(r"layer 1: T̂ = ([\d.]+) ± ([\d.]+) \(true ([\d.]+)\)", output)
    value, error, true = map(float, found.groups())
    assert abs(value - true) < 4 * error < 0.03
    assert "images a second; layers" in output and "bound by" in output
    html = path.read_text()
    assert html.count("<figure") == 8
    assert "What boards would do" in html and "USB high speed" in html
    calibration = NodeCalibration.load(tmp_path / "cosim-calibration.json")
    # The true modulator, which nobody told the run.
    assert calibration.arms[0].half_wave.value == pytest.approx(0.99, abs=0.01)
    assert calibration.arms[1].bias.value == pytest.approx(-0.04, abs=0.005)
    assert json.loads((tmp_path / "cosim-calibration.json").read_text())["delay"]["error"] > 0


def test_models_show_estimates_layer_by_layer_whatever_the_number_of_processes():
    network, images = load_network("mnist-paper"), load_mnist(None, "test")[0][:2]
    loop = Loop(network, realistic(1.3, 2.4))
    records = loop.records(60)
    one, two = (infer_in_processes(loop, images, records, processes=n) for n in (1, 2))
    require_agreement(replace(one, sums=tuple(_whole(s) for s in one.sums)), two)
    np.testing.assert_array_equal(one.outputs, two.outputs)
    assert abs(channel(loop, two, 0).transmittance.value - 0.9604) < 0.01
    # A bit less somewhere, and they would not agree.
    other = [_whole(s) for s in one.sums]
    other[1][1, 3, 2] ^= 1
    with pytest.raises(Disagreement, match="sums of layer 2, image 1"):
        require_agreement(replace(one, sums=tuple(other)), two)
    read = [r.copy() for r in one.read]
    read[0][0, 5] = np.nextafter(read[0][0, 5], np.inf)
    with pytest.raises(Disagreement, match="inference values of layer 1, image 0"):
        require_agreement(
            replace(one, sums=tuple(_whole(s) for s in one.sums), read=tuple(read)), two
        )


def test_the_run_as_one_json_object(tmp_path, capsys):
    arguments = ["--images", "1", "--record-frames", "60", "--backend", "model", "--compare", "0"]
    arguments += ["--report", str(tmp_path / "cosim.html"), "--processes", "1"]
    with pytest.raises(SystemExit) as end:
        main(["lab", "cosim", *arguments, "--json"])
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 1 and len(found["channels"]) == 2 and found["boards"]
    assert found["calibration"] == str(tmp_path / "cosim-calibration.json")


def _whole(sums):
    """Sums of a layer as gateware gives them: one an image, of two images."""
    return sums.reshape(2, -1, *sums.shape[1:]).sum(axis=1)


def test_what_the_backend_cannot_do_is_refused():
    network, (images, _) = load_network("mnist-paper"), load_mnist(None, "test")
    link = Link(gain=1.3, photons=5)
    for options, message in (
        ({"backend": "glass"}, "none of model, rtl"),
        ({"impairments": "rough"}, "none of ideal, realistic"),
    ):
        with pytest.raises(RangeError, match=message):
            through_nodes(network, np.asarray(images[:1]), link, 1, **options)
