"""Curious servers: unbiased estimates, errors as theory says, and squeezing that the check sees."""

import math
from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.verification.probe_check import ProbeCheck
from shotveil.models.adversaries.basis_vector import BasisQueries
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


LINK_2, MODES_2 = Link(1.3, 6.0), 16

XI_2 = np.arange(1, MODES_2 + 1) * np.exp(1j * np.arange(MODES_2))

XI_2 = XI_2 / np.linalg.norm(XI_2)


def replace_gain_too(link, gain):
    return OverAmplifier(gain).link(link)


def test_basis_queries_are_unit_vectors_of_one_mode():
    xi = BasisQueries(3).directions(5, 8)
    assert xi.shape == (5, 8) and (np.abs(xi).sum(axis=1) == 1).all() and (xi[:, 3] == 1).all()
    with pytest.raises(RangeError, match="mode = 8"):
        BasisQueries(8).directions(5, 8)
    with pytest.raises(RangeError, match="gain"):
        OverAmplifier(1.0).link(LINK_2)
    with pytest.raises(RangeError, match="squeezing"):
        Squeezer(-1.0)


LOSSY = Link(
    3.0,
    6.0,
    transmittance_out=0.9,
    transmittance_back=0.8,
    excess_noise=0.05,
    server_detector=Detector(0.7, 0.1),
)


def returned(link, rows, server, seed=5):
    """Records of an imperfect receiver, as physics has them: what `power` has to take away."""
    rng = np.random.default_rng(seed)
    receiver = link.server_detector
    nu = vacuum((rows, 1), rng, link.noise_quantum * link.transmittance_back) * XI_2
    if server.counts:
        left = nu + vacuum(nu.shape, rng, link.excess_noise)
        return rng.poisson(receiver.efficiency * np.abs(left) ** 2 / 4).astype(float)
    t = link.transmittance
    light = t * server.variance + 1 - t + link.excess_noise
    variance = receiver.efficiency * light + 1 - receiver.efficiency + receiver.electronic_noise
    return math.sqrt(receiver.efficiency) * nu.real + rng.normal(0, math.sqrt(variance), nu.shape)


@pytest.mark.parametrize("server", [Homodyner(), PhotonCounter(), Squeezer(6.0)])
def test_powers_from_an_imperfect_receiver_are_unbiased(server):
    rows = 100_000
    found = server.power(LOSSY, returned(LOSSY, rows, server))
    g = LOSSY.noise_quantum * 0.8 * 0.7
    error = 1.5 * math.sqrt(2 / rows) * (1.1 + g) / g
    assert np.abs(found - np.abs(XI_2) ** 2).max() < 5 * error


def test_returned_light_is_vacuum_and_the_clients_noise():
    light = returned_noise(LOSSY, XI_2, 200_000, np.random.default_rng(6))
    assert light.shape == (200_000, MODES_2)
    due = 1 + LOSSY.noise_quantum * 0.8 * np.abs(XI_2) ** 2
    np.testing.assert_allclose(light.real.var(axis=0), due, rtol=5 * math.sqrt(2 / 200_000))
    np.testing.assert_allclose(light.imag.var(axis=0), due, rtol=5 * math.sqrt(2 / 200_000))
    for rows in (0, 1.5):
        with pytest.raises(RangeError, match="rows"):
            returned_noise(LOSSY, XI_2, rows, np.random.default_rng(6))
    assert returned_noise(LOSSY, XI_2, 1, np.random.default_rng(6)).shape == (1, MODES_2)


def test_a_homodyner_looks_at_either_quadrature_in_turn():
    light = returned_noise(LINK_2, XI_2, 5, np.random.default_rng(7))
    record = np.stack([light[k].imag if k % 2 else light[k].real for k in range(5)])
    found = Homodyner().estimate(LINK_2, XI_2, 5, np.random.default_rng(7))
    due = (np.mean(record**2, axis=0) - 1) / LINK_2.noise_quantum
    np.testing.assert_allclose(found, due)


def test_photons_by_their_mean():
    """⟨|ν|²⟩·|ξ|²/4 of the noise, and half of ε for technical noise, seen by the detector."""
    rng = np.random.default_rng(8)
    rows = 100_000
    nu = vacuum((rows,), rng, LOSSY.noise_quantum)
    photons = counted(LOSSY, XI_2, nu, rng)
    due = 0.7 * (LOSSY.noise_quantum * 0.8 * np.abs(XI_2) ** 2 / 2 + 0.05 / 2)
    # Counts of thermal light have variance n + n².
    np.testing.assert_allclose(photons.mean(axis=0), due, atol=6 * np.sqrt(due.max() * 2 / rows))
    quiet = Link(3.0, 6.0)
    assert not counted(quiet, XI_2, nu * 0, rng).any()
    with pytest.raises(RangeError, match="phase error"):
        counted(Link(3.0, 6.0, phase_error=0.1), XI_2, nu, rng)


def test_squeezed_light_has_one_quiet_quadrature():
    server = Squeezer(10.0)
    assert server.variance == pytest.approx(0.1) and not server.counts
    light = server.probe((200_000,), np.random.default_rng(9))
    error = 5 * math.sqrt(2 / 200_000)
    assert light.real.var() == pytest.approx(0.1, rel=error)
    assert light.imag.var() == pytest.approx(10, rel=error)
    assert Squeezer.of(0.5).decibels == pytest.approx(3.0103)
    assert Squeezer.of(1).variance == 1 and Squeezer(30).variance == pytest.approx(1e-3)
    for variance in (0, 1.01):
        with pytest.raises(RangeError, match="squeezed variance"):
            Squeezer.of(variance)
    for decibels in (-0.1, 30.1):
        with pytest.raises(RangeError, match="squeezing"):
            Squeezer(decibels)
    assert Homodyner.variance == PhotonCounter.variance == 1
    assert PhotonCounter.counts and not Homodyner.counts


def test_readings_of_squeezed_light_by_the_optics():
    """(1 − 1/G)·(G·V + G − 1) + 1/G, with V of mode 1 by ξ and the way out."""
    link, server = Link(2.5, 6.0, transmittance_out=0.8), Squeezer(6.0)
    direction = XI_2
    v = server.variance
    own = np.sum(XI_2.real**2) * v + np.sum(XI_2.imag**2) / v
    own = 0.8 * own + 0.2
    due = 0.6 * (2.5 * own + 1.5) + 0.4
    found = server.readings(
        link, direction, np.array([0.0, 40.0]), 200_000, np.random.default_rng(1)
    )
    assert found.shape == (200_000, 2)
    np.testing.assert_allclose(found.var(axis=0), due, rtol=5 * math.sqrt(2 / 200_000))
    np.testing.assert_allclose(found.mean(axis=0), [0, 40 * math.sqrt(1.5)], atol=0.03)


def test_an_ideal_receiver_and_what_errors_leave():
    assert ideal(LOSSY) == Link(3.0, 6.0, transmittance_out=0.9, transmittance_back=0.8)
    truth = np.array([1.0, 2.0, 3.0])
    # ½·log2(1 + 6/2): an error of variance 2 in a prior of 6.
    estimates = truth + np.array([1.0, -1.0, 2.0])
    assert fisher_bits(estimates, truth, 6.0) == pytest.approx(1.0)


def test_values_cannot_be_changed_once_they_are_checked():
    for kind in (Homodyner, PhotonCounter, Squeezer):
        assert kind.__dataclass_params__.frozen
