"""What `make cosim` does, for 2 digits."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from host.calibration import NodeCalibration
from models.checks import RangeError
from models.mnist import load_mnist
from models.network import load_network
from models.optics import Link
from sim.cosim import main
from sim.loop.backend import through_nodes


def test_two_digits_and_their_report(tmp_path):
    path = tmp_path / "cosim.html"
    arguments = ["--images", "2", "--record-frames", "60", "--report", str(path)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "100.00% of 2 images" in result.output
    assert "layer 1: T̂" in result.output
    assert "images a second; layers" in result.output and "bound by" in result.output
    html = path.read_text()
    assert html.count("<img") == 8
    assert "What boards would do" in html and "USB high speed" in html
    calibration = NodeCalibration.load(tmp_path / "cosim-calibration.json")
    # The true modulator, which nobody told the run.
    assert calibration.arms[0].half_wave.value == pytest.approx(0.99, abs=0.01)
    assert calibration.arms[1].bias.value == pytest.approx(-0.04, abs=0.005)
    assert json.loads((tmp_path / "cosim-calibration.json").read_text())["delay"]["error"] > 0


def test_what_the_backend_cannot_do_is_refused():
    network, (images, _) = load_network("mnist-paper"), load_mnist(None, "test")
    link = Link(gain=1.3, photons=5)
    for options, message in (
        ({"backend": "glass"}, "none of model, rtl"),
        ({"impairments": "rough"}, "none of ideal, realistic"),
    ):
        with pytest.raises(RangeError, match=message):
            through_nodes(network, np.asarray(images[:1]), link, 1, **options)
