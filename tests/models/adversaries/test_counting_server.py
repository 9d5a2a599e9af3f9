import numpy as np
import pytest

from shotveil.models.adversaries.counting_server import COUNTING_SERVER, PhotonCounter
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector, Link

LINK = Link(
    1.3,
    6.0,
    transmittance_out=0.9,
    transmittance_back=0.8,
    excess_noise=0.1,
    server_detector=Detector(0.5, 0.2),
)
XI = np.array([0.6, 0.8j, 0.0])


def test_power_is_what_is_above_the_photons_of_technical_noise():
    g = LINK.noise_quantum * 0.8 * 0.5
    record = np.array([[1.0, 0.0], [3.0, 0.1]])
    found = PhotonCounter().power(LINK, record)
    assert found == pytest.approx([(2 - 0.025) / (g / 2), (0.05 - 0.025) / (g / 2)])


def test_its_estimate_is_the_power_of_each_mode():
    found = PhotonCounter().estimate(LINK, XI, 400_000, np.random.default_rng(1))
    assert found == pytest.approx([0.36, 0.64, 0], abs=0.02)
    assert found[2] == 0  # there is no light, and no noise either


def test_it_says_what_it_is():
    assert COUNTING_SERVER.of() == PhotonCounter() and COUNTING_SERVER.covered_by == "holevo"
    assert PhotonCounter().variance == 1 and PhotonCounter().counts
    with pytest.raises(RangeError, match="allowed with counting-server: none"):
        COUNTING_SERVER.of(1.0)
