"""Curious servers: unbiased estimates, errors as theory says, and squeezing that the check sees."""

import math
from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.verification.probe_check import ProbeCheck
from shotveil.models.adversaries.counting_server import PhotonCounter
from shotveil.models.adversaries.homodyne_server import Homodyner
from shotveil.models.adversaries.over_amplification import OverAmplifier
from shotveil.models.adversaries.servers import (
    ProbingServer,
    counted,
    fisher_bits,
    ideal,
    returned_noise,
    seen_noise,
)
from shotveil.models.adversaries.squeezing_server import Squeezer
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


def test_what_returns_is_vacuum_and_the_clients_noise():
    link = Link(1.3, 6.0, transmittance_back=0.5)
    light = returned_noise(link, XI, 200_000, np.random.default_rng(5))
    assert light.shape == (200_000, MODES)
    along, across = light @ XI.conj(), light @ np.roll(XI, 1).conj()
    assert along.real.var() == pytest.approx(1 + link.noise_quantum / 2, rel=0.02)
    share = abs(np.vdot(np.roll(XI, 1), XI)) ** 2
    assert across.imag.var() == pytest.approx(1 + share * link.noise_quantum / 2, rel=0.02)
    with pytest.raises(RangeError, match="rows = 0"):
        returned_noise(link, XI, 0, np.random.default_rng(5))


def test_an_ideal_receiver_is_the_servers_alone():
    link = Link(
        1.3, 6.0, transmittance_out=0.9, transmittance_back=0.8, excess_noise=0.1,
        client_detector=Detector(0.7, 0.1), server_detector=Detector(0.5, 0.2),
    )  # fmt: skip
    better = ideal(link)
    assert better.server_detector == Detector() and better.excess_noise == 0
    assert better.client_detector == link.client_detector
    assert better.transmittance_back == 0.8 and better.gain == 1.3


def test_noise_is_seen_through_loss_and_receiver():
    link = Link(
        1.3, 6.0, transmittance_out=0.9, transmittance_back=0.8, server_detector=Detector(0.5, 0.2)
    )
    assert seen_noise(link) == pytest.approx(link.noise_quantum * 0.8 * 0.5)


def test_photons_are_those_of_light_that_was_displaced():
    link = Link(
        1.3,
        6.0,
        transmittance_out=0.9,
        transmittance_back=0.8,
        excess_noise=0.2,
        server_detector=Detector(0.5, 0.0),
    )
    nu = np.full(100_000, 2.0 + 1j)
    found = counted(link, XI, nu, np.random.default_rng(6))
    # |ν·ξ_k|²/4 photons through the loss, and half of the noise's variance, half of them seen.
    expected = 0.5 * (0.8 * 5 * np.abs(XI) ** 2 / 4 + 0.2 / 2)
    assert found.mean(axis=0) == pytest.approx(expected, rel=0.05)
    with pytest.raises(RangeError, match="phase error"):
        counted(replace(link, phase_error=0.1), XI, nu, np.random.default_rng(6))


def test_bits_of_estimates_by_their_error():
    truth = np.zeros(1000)
    assert fisher_bits(truth + 0.5, truth, 0.75) == pytest.approx(1)


def test_who_sends_light_of_its_own_is_told_from_who_looks():
    assert isinstance(Squeezer(3.0), ProbingServer)
    assert not isinstance(Homodyner(), ProbingServer)
    assert not isinstance(PhotonCounter(), ProbingServer)
