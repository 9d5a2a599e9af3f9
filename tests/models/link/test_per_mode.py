"""Sums per mode drawn at once against those of every symbol, and decoy rows against weights."""

import numpy as np
import pytest
from scipy.stats import chi2, kstest, norm

from shotveil.models.common.checks import RangeError
from shotveil.models.link.decoys import decoy_rows
from shotveil.models.link.encoding import EncodedRows, directions, encode_rows
from shotveil.models.link.optics import Detector, Link
from shotveil.models.link.per_mode import read_per_mode, read_per_mode_symbols

SHOTS = 4000
LINKS = {
    "ideal": Link(1.3, 6),
    "high gain": Link(4.0, 2),
    "all": Link(
        2.5,
        3,
        transmittance_out=0.7,
        transmittance_back=0.6,
        excess_noise=0.2,
        client_detector=Detector(0.8, 0.1),
        server_detector=Detector(0.85, 0.05),
    ),
}
RNG = np.random.default_rng(1)
ROWS = RNG.normal(size=(3, 8)) * np.array([1, 1, 3, 1, 0.2, 1, 1, 0])
DATA = np.array([[1.0, 5, 0, 0, 2, 1, 0, 1], [0, 1, 2, 3, 0, 0, 4, 0]])


def noise_sums(read, link, rng):
    """(SHOTS, 3·modes): Σq² and Σqy and Σy² of the noise alone, mode by mode."""
    rows = encode_rows(ROWS, link.modulation_variance)
    xi, _ = directions(DATA)
    t = np.sqrt(link.server_detector.efficiency * link.transmittance)
    found = []
    for _ in range(SHOTS):
        s = read(link, rows, xi, rng).statistics
        assert (s.count == 6).all()
        found.append([s.qq, s.qy - t * s.qq, s.yy - 2 * t * s.qy + t**2 * s.qq])
    return np.array(found).reshape(SHOTS, -1)


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_both_ways_have_one_distribution(link):
    a = noise_sums(read_per_mode, link, np.random.default_rng(2))
    b = noise_sums(read_per_mode_symbols, link, np.random.default_rng(3))
    centre, scale = b.mean(axis=0), b.std(axis=0) + 1e-12

    def moments(x):
        x = (x - centre) / scale
        return np.concatenate([x, np.einsum("si,sj->sij", x, x).reshape(len(x), -1)], axis=1)

    a, b = moments(a), moments(b)
    error = np.sqrt(a.var(axis=0) / SHOTS + b.var(axis=0) / SHOTS) + 1e-9
    assert np.abs((a.mean(axis=0) - b.mean(axis=0)) / error).max() < 5.2


def test_excess_noise_of_a_mode_is_its_share_of_the_clients():
    """ν of variance g in direction ξ: mode k shows g·|ξ_k|² of it."""
    link = Link(3.0, 6)
    rows = encode_rows(np.random.default_rng(1).normal(size=(20_000, 8)), 12.0)
    xi, _ = directions(DATA[:1])
    s = read_per_mode(link, rows, xi, np.random.default_rng(4)).statistics
    variance = s.residual / s.count
    expected = 1 + link.noise_quantum * np.abs(xi[0]) ** 2
    assert variance == pytest.approx(expected, rel=5 * np.sqrt(2 / 20_000))


def test_a_single_symbol_a_mode_is_possible_however_bright_it_is():
    """One image, one row: Σqy² = Σq²·Σy² to the last digit, symbols near 0 too."""
    link, rng = Link(1.00175, 195.0), np.random.default_rng(7)
    xi, _ = directions(rng.uniform(size=(1, 800)))
    for _ in range(300):
        rows = encode_rows(rng.normal(size=(1, 800)), link.modulation_variance)
        assert (read_per_mode(link, rows, xi, rng).statistics.count == 1).all()


def test_phase_errors_are_simulated_symbol_by_symbol():
    link = Link(3.0, 6, phase_error=0.3)
    rows, (xi, _) = encode_rows(ROWS, 12.0), directions(DATA)
    one = read_per_mode(link, rows, xi, np.random.default_rng(5))
    other = read_per_mode_symbols(link, rows, xi, np.random.default_rng(5))
    np.testing.assert_array_equal(one.values, other.values)


def test_decoys_have_the_moments_of_the_weights():
    rng = np.random.default_rng(6)
    weights = rng.normal(size=(400, 30)) * np.linspace(0, 2, 30) * rng.uniform(0.5, 2, (400, 1))
    rows = encode_rows(weights, 12.0)
    decoys = decoy_rows(rows, 40_000, rng)
    assert decoys.scale == rows.scale and decoys.modes == rows.modes
    for mine, theirs in ((decoys.x, rows.x), (decoys.p, rows.p)):
        # To the half octave of amplitude that decoys know.
        assert np.mean(mine**2, axis=0) == pytest.approx(np.mean(theirs**2, axis=0), rel=0.45)
    power = np.sum(decoys.x**2 + decoys.p**2, axis=1)
    theirs = np.sum(rows.x**2 + rows.p**2, axis=1)
    assert power.mean() == pytest.approx(theirs.mean(), rel=0.03)
    assert power.std() == pytest.approx(theirs.std(), rel=0.4)
    # Nothing of the weights but these moments: no decoy resembles a row.
    unit = rows.x / np.linalg.norm(rows.x, axis=1, keepdims=True)
    mine = decoys.x / np.linalg.norm(decoys.x, axis=1, keepdims=True)
    assert np.abs(mine[:400] @ unit.T).max() < 0.99


def test_the_number_of_decoys_is_checked():
    with pytest.raises(RangeError, match="number of decoy rows = 0"):
        decoy_rows(encode_rows(ROWS, 1.0), 0, RNG)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_one_mode_has_gaussian_noise_of_known_variance(rows):
    """A single mode has ν = α·Re ξ + β·Im ξ of each symbol all to itself, so its noise is white.

    So Σqy gives t within Gaussian noise, and what it leaves of Σy² is χ² distributed.
    """
    link = Link(
        50.0, 3, transmittance_back=0.8, excess_noise=0.3, server_detector=Detector(0.9, 0.1)
    )
    variance = 1 + 0.1 + 0.9 * (0.3 + 0.8 * link.noise_quantum)
    t = np.sqrt(0.9 * link.transmittance)
    sent = EncodedRows(np.arange(1.0, rows + 1)[:, None], np.full((rows, 1), -0.7), 1.0)
    xi, rng = np.array([[0.6 + 0.8j]]), np.random.default_rng(8)
    found = [read_per_mode(link, sent, xi, rng).statistics for _ in range(20_000)]
    qq, qy, yy = (np.array([getattr(s, name)[0] for s in found]) for name in ("qq", "qy", "yy"))
    assert kstest((qy - t * qq) / np.sqrt(qq * variance), norm.cdf).pvalue > 1e-4
    left = (yy - qy**2 / qq) / variance
    if rows == 1:
        # Rarely α·Re ξ and β·Im ξ cancel so far that rounding leaves a little.
        assert (np.abs(left) > 1e-9).mean() < 1e-3
    else:
        assert kstest(left, chi2(rows - 1).cdf).pvalue > 1e-4
