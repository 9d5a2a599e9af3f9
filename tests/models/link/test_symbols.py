"""Monte Carlo against every closed formula. Seeds are fixed and limits are 4.5 standard errors, so
that a right formula passes (all checks together fail by chance once in some 10⁴ seeds) while the
sample sizes let a formula that is wrong by a few per cent fail."""

import math

import numpy as np
import pytest

from shotveil.models.link.encoding import directions, encode_rows
from shotveil.models.link.optics import Detector, Link
from shotveil.models.link.symbols import homodyne, read_symbols, transmit, vacuum

SHOTS = 200_000
LOSSY = Link(
    gain=2.5,
    photons=6,
    transmittance_out=0.7,
    transmittance_back=0.6,
    excess_noise=0.05,
    client_detector=Detector(0.8, 0.1),
    server_detector=Detector(0.85, 0.05),
)
LINKS = [Link(1.3, 6), Link(1.02, 100), LOSSY]


@pytest.fixture
def rng():
    return np.random.default_rng(20260)


def light(link, rng, modes=3):
    """One row and one direction, sent SHOTS times."""
    weights, data = rng.normal(size=(1, 2 * modes)), rng.normal(size=(1, 2 * modes))
    rows = encode_rows(weights, link.modulation_variance)
    xi, _ = directions(data)
    sent = np.broadcast_to(rows.x + 1j * rows.p, (SHOTS, modes))
    return sent, xi[0], transmit(link, sent, xi, rng)


def agree(samples, expected, axis=0):
    """Assert that the mean of `samples` is `expected` within 4.5 standard errors."""
    error = samples.std(axis=axis) / math.sqrt(samples.shape[axis])
    assert np.all(np.abs(samples.mean(axis=axis) - expected) < 4.5 * error)


def test_vacuum_has_variance_one_in_either_quadrature(rng):
    noise = vacuum((SHOTS,), rng)
    agree(noise.real**2, 1)
    agree(noise.imag**2, 1)
    agree(noise.real * noise.imag, 0)


@pytest.mark.parametrize("link", LINKS)
def test_inference_value_has_the_signal_and_noise_of_the_formula(link, rng):
    sent, xi, seen = light(link, rng)
    efficiency = link.client_detector.efficiency
    signal = np.vdot(xi, sent[0]).real * math.sqrt(
        efficiency * (link.gain - 1) * link.transmittance_out
    )
    agree(seen.inference, signal)
    noise = efficiency * (link.gain - 1) * link.inference_noise
    agree((seen.inference - signal) ** 2, noise)


@pytest.mark.parametrize("link", LINKS)
def test_returned_light_keeps_its_mean_and_gains_excess_noise_along_xi(link, rng):
    sent, xi, seen = light(link, rng)
    noise = seen.returned - math.sqrt(link.transmittance) * sent
    agree(noise.real, 0)
    agree(noise.imag, 0)
    per_mode = link.transmittance_back * link.noise_quantum * np.abs(xi) ** 2 + link.excess_noise
    agree(noise.real**2, 1 + per_mode)
    agree(noise.imag**2, 1 + per_mode)
    assert per_mode.mean() == pytest.approx(link.returned_excess_noise(len(xi)))
    agree((np.abs(noise) ** 2 / 2).mean(axis=1), 1 + link.returned_excess_noise(len(xi)))


@pytest.mark.parametrize("gain", [1.05, 1.3, 3.0])
def test_client_reading_and_returned_mode_are_correlated(gain, rng):
    sent, xi, seen = light(Link(gain, 6), rng)
    returned = (seen.returned @ xi.conj()).real
    signal = np.vdot(xi, sent[0]).real
    product = (seen.inference - math.sqrt(gain - 1) * signal) * (returned - signal)
    agree(product, 2 * (gain - 1) ** 1.5 / gain)


def test_modes_that_the_client_does_not_use_come_back_untouched(rng):
    sent, xi, seen = light(Link(3.0, 6), rng)
    other = np.array([xi[1], -xi[0], 0]) / np.linalg.norm(xi[:2])  # ξ·other = 0
    agree(np.abs((seen.returned - sent) @ other) ** 2 / 2, 1)


@pytest.mark.parametrize("quadrature", [False, True])
def test_homodyne_measures_one_quadrature_with_the_detectors_noise(quadrature, rng):
    amplitudes = vacuum((SHOTS, 2), rng, 3.0) + (4 - 2j)
    y = homodyne(LOSSY, amplitudes, np.full(SHOTS, quadrature), rng)
    agree(y, math.sqrt(0.85) * (-2 if quadrature else 4))
    # 0.85·3 of light, 0.15 of vacuum, 0.05 of electronics
    agree((y - y.mean(axis=0)) ** 2, 0.85 * 3 + 0.15 + 0.05)


def test_phase_error_turns_rows_as_a_whole(rng):
    link = Link(1.3, 50, phase_error=0.4)
    sent, _, seen = light(link, rng)
    # Both ways' phases add up: the mean shrinks by exp(−σ²/2) each time.
    agree(seen.returned.real, math.exp(-(0.4**2)) * sent[0].real)
    agree(seen.returned.imag, math.exp(-(0.4**2)) * sent[0].imag)


@pytest.mark.parametrize("modes", [3, 40_000])
def test_read_symbols_gathers_what_both_parties_hold(modes, rng):
    # 40,000 modes fill more than a block, 3 modes let many rows share one.
    rows, images = 20, 3
    weights, data = rng.normal(size=(rows, 2 * modes)), rng.normal(size=(images, 2 * modes))
    encoded = encode_rows(weights, LOSSY.modulation_variance)
    xi, _ = directions(data)
    repeats = [read_symbols(LOSSY, encoded, xi, rng) for _ in range(300 if modes == 3 else 3)]
    values = np.array([r.values for r in repeats])
    spread = math.sqrt(LOSSY.inference_noise / LOSSY.transmittance_out) / encoded.scale
    expected = (xi.conj() @ (encoded.x + 1j * encoded.p).T).real / encoded.scale
    agree(((values - expected) / spread).reshape(-1), 0)
    agree(((values - expected) / spread).reshape(-1) ** 2, 1)
    statistics = [r.statistics for r in repeats]
    assert all((s.count == rows * modes).all() for s in statistics)
    t = math.sqrt(0.85 * LOSSY.transmittance)
    qq = np.array([s.qq for s in statistics]).reshape(-1)
    qy = np.array([s.qy for s in statistics]).reshape(-1)
    yy = np.array([s.yy for s in statistics]).reshape(-1)
    agree(qy - t * qq, 0)
    noise = 1 + 0.05 + 0.85 * LOSSY.returned_excess_noise(modes)
    agree((yy - 2 * t * qy + t**2 * qq) / (rows * modes), noise)


def test_one_seed_one_result_and_another_seed_another():
    rows = encode_rows(np.eye(4), 8.0)
    xi, _ = directions(np.ones((2, 4)))

    def read(seed):
        return read_symbols(LOSSY, rows, xi, np.random.default_rng(seed)).values

    np.testing.assert_array_equal(read(1), read(1))
    assert not np.array_equal(read(1), read(2))


def test_without_verification_the_server_measures_nothing(rng):
    rows = encode_rows(np.eye(4), 8.0)
    assert read_symbols(LOSSY, rows, directions(np.ones((2, 4)))[0], rng, False).statistics is None


def test_statistics_of_random_rows_are_the_ones_that_the_channel_states(rng):
    # Everything that widens the noise at once: the server's slope and residual of random rows.
    link = Link(
        gain=2.5,
        photons=20,
        transmittance_out=0.8,
        transmittance_back=0.9,
        excess_noise=0.05,
        loss_imbalance=0.4,
        server_detector=Detector(0.7, 0.1, oscillator_noise=0.1),
    )
    modes = 4
    sent = vacuum((SHOTS, modes), rng, link.modulation_variance)
    xi, _ = directions(rng.normal(size=(1, 2 * modes)))
    returned = transmit(link, sent, xi[0], rng).returned
    y = homodyne(link, returned, np.zeros(SHOTS, bool), rng)
    q = sent.real
    slope = math.sqrt(0.7 * link.declared_transmittance_at(modes))
    agree((q * (y - slope * q)).mean(axis=1), 0)
    variance = 1 + 0.1 + 0.7 * link.returned_excess_noise(modes)
    agree(((y - slope * q) ** 2).mean(axis=1), variance)
    assert variance < 1 + 0.1 + 0.7 * link.declared_excess_noise(modes)


def test_an_imbalance_returns_coherent_light_along_xi(rng):
    link = Link(1.3, 6, loss_imbalance=0.3, transmittance_out=0.7)
    sent, xi, seen = light(link, rng)
    lost = seen.returned - math.sqrt(link.transmittance) * sent
    along = lost @ xi.conj()
    expected = -0.3 * math.sqrt(0.7) * np.vdot(xi, sent[0])
    agree(along.real, expected.real)
    agree(along.imag, expected.imag)
    agree((along - expected).real ** 2, 1 + 0.7**2 * link.noise_quantum)
    # A server that aims its rows at the data gets back all photons that the channel states.
    aimed = math.sqrt(4 * 3 * link.photons) * xi  # 3 modes of μ photons, |A|² = 4 photons
    mean = 0.3 * math.sqrt(0.7) * np.linalg.norm(aimed)
    assert mean**2 / 4 == pytest.approx(link.coherent_photons_at(link.photons, 3))
