"""Curious servers: unbiased estimates, errors as theory says, and squeezing that the check sees."""

import math

import numpy as np
import pytest

from shotveil.host.verification.probe_check import ProbeCheck
from shotveil.models.adversaries.clients import BasisQueries, OverAmplifier
from shotveil.models.adversaries.servers import Homodyner, PhotonCounter, Squeezer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector, Link
from shotveil.models.link.symbols import vacuum

LINK, MODES = Link(1.3, 6.0), 16
XI = np.arange(1, MODES + 1) * np.exp(1j * np.arange(MODES))
XI = XI / np.linalg.norm(XI)


@pytest.mark.parametrize(
    "link", [LINK, Link(3.0, 6.0, transmittance_out=0.9, transmittance_back=0.8)]
)
@pytest.mark.parametrize("server", [Homodyner(), PhotonCounter(), Squeezer(10.0)])
def test_estimates_are_unbiased(server, link):
    rows = 400_000
    found = server.estimate(link, XI, rows, np.random.default_rng(1))
    g = link.noise_quantum * link.transmittance_back
    # Homodyne variance of y²; counting has less. Of both quadratures or of one.
    error = math.sqrt(2 / rows) * (1 + g) / g * 1.5
    assert np.abs(found - np.abs(XI) ** 2).max() < 5 * error


def test_counting_and_squeezing_beat_homodyning():
    rng = np.random.default_rng(2)

    def error(server):
        shots = [server.estimate(LINK, XI, 1000, rng) - np.abs(XI) ** 2 for _ in range(50)]
        return float(np.mean(np.square(shots)))

    plain = error(Homodyner())
    assert error(PhotonCounter()) < plain / 3
    assert error(Squeezer(10.0)) < plain / 3
    assert error(Squeezer(0.0)) == pytest.approx(plain, rel=0.2)


@pytest.mark.parametrize("link", [LINK, Link(2.0, 6.0, client_detector=Detector(1.0, 0.0))])
def test_coherent_readings_have_the_variance_that_the_check_expects(link):
    rng = np.random.default_rng(3)
    direction = vacuum((MODES,), rng)
    direction /= np.linalg.norm(direction)
    check = ProbeCheck(link.gain, link.client_detector)
    readings = Squeezer(0.0).readings(link, direction, np.arange(100.0), 1000, rng)
    assert check.add(readings) == ""
    assert check.variance == pytest.approx(check.expected, rel=0.02)
    assert ProbeCheck(2.0, link.client_detector).add(
        Squeezer(3.0).readings(replace_gain(link, 2.0), direction, np.zeros(2000), 256, rng)
    )


def replace_gain(link, gain):
    return OverAmplifier(gain).link(link)


def test_the_check_finds_thermal_light_and_changing_rows():
    rng = np.random.default_rng(4)
    check = ProbeCheck(1.3, Detector())
    assert "where coherent light has" in check.add(
        rng.normal(0, math.sqrt(check.expected * 1.02), (256, 3000))
    )
    with pytest.raises(RangeError, match="checks of a slot"):
        check.add(np.zeros((1, 5)))


def test_basis_queries_are_unit_vectors_of_one_mode():
    xi = BasisQueries(3).directions(5, 8)
    assert xi.shape == (5, 8) and (np.abs(xi).sum(axis=1) == 1).all() and (xi[:, 3] == 1).all()
    with pytest.raises(RangeError, match="mode = 8"):
        BasisQueries(8).directions(5, 8)
    with pytest.raises(RangeError, match="gain"):
        OverAmplifier(1.0).link(LINK)
    with pytest.raises(RangeError, match="squeezing"):
        Squeezer(-1.0)
