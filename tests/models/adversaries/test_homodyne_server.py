import numpy as np
import pytest

from shotveil.models.adversaries.homodyne_server import HOMODYNE_SERVER, Homodyner
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


def test_power_is_what_is_above_the_receivers_own_noise():
    g = LINK.noise_quantum * 0.8 * 0.5
    floor = LINK.server_detector.noise_variance(0.1)
    record = np.array([[1.0, 2.0], [-1.0, 0.0]]) * np.sqrt(floor + g)
    found = Homodyner().power(LINK, record)
    assert found == pytest.approx([1, (2 * (floor + g) - floor) / g])


def test_its_estimate_is_the_power_of_each_mode_seen_by_a_perfect_receiver():
    found = Homodyner().estimate(LINK, XI, 400_000, np.random.default_rng(1))
    assert found == pytest.approx([0.36, 0.64, 0], abs=0.05)


def test_half_of_the_rows_are_measured_in_each_quadrature():
    """A power per row of X² and P² in turn: with two rows one of each."""
    rng = np.random.default_rng(2)
    found = np.mean([Homodyner().estimate(LINK, XI, 2, rng) for _ in range(20_000)], axis=0)
    assert found == pytest.approx([0.36, 0.64, 0], abs=0.15)


def test_it_says_what_it_is():
    assert HOMODYNE_SERVER.of() == Homodyner() and HOMODYNE_SERVER.covered_by == "holevo"
    assert Homodyner().variance == 1 and not Homodyner().counts
    with pytest.raises(RangeError, match="allowed with homodyne-server: none"):
        HOMODYNE_SERVER.of(1.0)
