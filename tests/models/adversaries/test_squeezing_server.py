import numpy as np
import pytest

from shotveil.models.adversaries.squeezing_server import SQUEEZING_SERVER, Squeezer
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


def test_squeezed_light_has_less_noise_in_x_and_as_much_more_in_p():
    server = Squeezer(10.0)
    assert server.variance == pytest.approx(0.1) and not server.counts
    light = server.probe((100_000, 2), np.random.default_rng(1))
    assert light.shape == (100_000, 2)
    assert light.real.var() == pytest.approx(0.1, rel=0.02)
    assert light.imag.var() == pytest.approx(10, rel=0.02)
    assert Squeezer.of(0.1).decibels == pytest.approx(10) and Squeezer.of(1.0).decibels == 0
    for wrong in (0.0, 1.01):
        with pytest.raises(RangeError, match="squeezed variance"):
            Squeezer.of(wrong)


def test_power_is_what_is_above_the_squeezed_noise():
    server, t = Squeezer(3.0), 0.5 * 0.72
    g = LINK.noise_quantum * 0.8 * 0.5
    floor = LINK.server_detector.noise_variance(0.1) - t * (1 - server.variance)
    record = np.array([[1.0], [-1.0]]) * np.sqrt(floor + g)
    assert server.power(LINK, record) == pytest.approx([1])


def test_its_estimate_is_the_power_of_each_mode():
    found = Squeezer(6.0).estimate(LINK, XI, 400_000, np.random.default_rng(1))
    assert found == pytest.approx([0.36, 0.64, 0], abs=0.05)


@pytest.mark.parametrize("direction", [[1.0, 0.0], [0.0, 1j], [0.6, 0.8j]])
def test_what_an_honest_clients_check_reads(direction):
    """X of the first mode through tap and loss: real parts squeeze it, imaginary ones stretch."""
    server, gain, t = Squeezer(6.0), LINK.gain, 0.9
    direction, means = np.array(direction), np.array([0.0, 5.0])
    found = server.readings(LINK, direction, means, 50_000, np.random.default_rng(3))
    v = server.variance
    here = np.sum(direction.real**2) * v + np.sum(direction.imag**2) / v
    here = t * here + 1 - t
    seen = (1 - 1 / gain) * (gain * here + gain - 1) + 1 / gain
    assert found.shape == (50_000, 2)
    assert found.var(axis=0) == pytest.approx([seen, seen], rel=0.03)
    assert found.mean(axis=0) == pytest.approx(np.sqrt(gain - 1) * means, abs=0.03)


def test_it_says_what_it_is():
    assert SQUEEZING_SERVER.of() == Squeezer(10.0) and SQUEEZING_SERVER.covered_by == ""
    assert SQUEEZING_SERVER.of(0) == Squeezer(0) and SQUEEZING_SERVER.of(30) == Squeezer(30)
    for wrong in (-0.1, 30.1):
        for make in (SQUEEZING_SERVER.of, Squeezer):
            with pytest.raises(RangeError, match="squeezing"):
                make(wrong)
