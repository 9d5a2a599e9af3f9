"""The fast path against the symbol-level path: one distribution. Limits as in test_symbols."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from shotveil.models.link.encoding import directions, encode_rows
from shotveil.models.link.optics import Detector, Link
from shotveil.models.link.sufficient import Overlaps, read_sufficient
from shotveil.models.link.symbols import read_symbols

SHOTS = 30_000
ALL = Link(
    gain=2.5,
    photons=3,
    transmittance_out=0.7,
    transmittance_back=0.6,
    excess_noise=0.2,
    client_detector=Detector(0.8, 0.1),
    server_detector=Detector(0.85, 0.05),
    phase_error=0.4,
)
LINKS = {
    "ideal": Link(1.3, 6),
    "high gain": Link(4.0, 2),
    "loss": Link(2.5, 3, transmittance_out=0.5, transmittance_back=0.4),
    "client's detector": Link(1.3, 3, client_detector=Detector(0.6, 0.3)),
    "server's detector": Link(3.0, 3, server_detector=Detector(0.6, 0.3)),
    "technical noise": Link(1.3, 3, excess_noise=0.5, server_detector=Detector(0.6)),
    "phase": Link(3.0, 3, phase_error=0.6),
    "imbalance": Link(3.0, 3, loss_imbalance=0.3, transmittance_back=0.8),
    "noisy oscillators": Link(
        3.0, 3, client_detector=Detector(0.8, 0.1, 0.1), server_detector=Detector(0.7, 0.1, 0.1)
    ),
    "all": ALL,
    "all and more": replace(
        ALL,
        loss_imbalance=0.4,
        client_detector=Detector(0.8, 0.1, 0.1),
        server_detector=Detector(0.85, 0.05, 0.1),
    ),
}


def samples(read, link, weights, data, rng):
    """(SHOTS, rows + 3): the client's values, Σq², and Σqy and Σy² of the noise alone.

    With t the mean's true factor the noise of the server's record is y − tq. Taking the signal out
    lets small terms show.
    """
    rows = encode_rows(weights, link.modulation_variance)
    xi, _ = directions(data)
    xi = np.broadcast_to(xi, (1000, xi.shape[1]))
    t = math.sqrt(link.server_detector.efficiency * link.transmittance)
    parts = []
    for _ in range(SHOTS // 1000):
        seen = read(link, rows, xi, rng)
        sums = seen.statistics
        noise_qy = sums.qy - t * sums.qq
        noise_yy = sums.yy - 2 * t * sums.qy + t**2 * sums.qq
        parts.append(np.column_stack([seen.values, sums.qq, noise_qy, noise_yy]))
    return np.concatenate(parts)


def assert_same_distribution(one, other):
    def moments(a):
        centred = (a - one.mean(axis=0)) / one.std(axis=0)
        seconds = np.einsum("si,sj->sij", centred, centred).reshape(len(a), -1)
        # Third moments of sums over a row see how value and server's noise hang together.
        thirds = np.einsum("si,sj->sij", centred, centred**2).reshape(len(a), -1)
        return np.concatenate([centred, seconds, thirds], axis=1)

    a, b = moments(one), moments(other)
    error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b)) + 1e-12
    assert np.abs((a.mean(axis=0) - b.mean(axis=0)) / error).max() < 4.8
    # Σq² takes few values, which either path rounds in its own way.
    for first, second in zip(one.T.round(9), other.T.round(9), strict=True):
        assert ks_2samp(first, second).pvalue > 1e-5


@pytest.mark.parametrize(
    "name, modes",
    [
        *((name, 3) for name in LINKS),
        *(("all", modes) for modes in (1, 2, 6)),
        *(("imbalance", modes) for modes in (1, 6)),
        *(("all and more", modes) for modes in (1, 2, 6)),
    ],
)
def test_same_joint_distribution_as_symbol_level(name, modes):
    # Few modes make the shared directions a large part of all: the hardest case, and with fewer
    # than four of them the Gram matrix is singular.
    rng = np.random.default_rng(7 + modes)
    weights, data = rng.normal(size=(2, 2 * modes)), rng.normal(size=(1, 2 * modes))
    arguments = LINKS[name], weights, data
    assert_same_distribution(
        samples(read_symbols, *arguments, np.random.default_rng(1)),
        samples(read_sufficient, *arguments, np.random.default_rng(2)),
    )


@pytest.mark.parametrize(
    "weights, data",
    [
        ([[1.0, 2, 3, 4], [0, 0, 0, 0]], [[1.0, 2, 0, 1]]),  # a row without light
        ([[1.0, 0, 3, 0], [0, 2, 0, 1]], [[1.0, 0, 2, 0]]),  # quadratures without light or data
        ([[1.0, 2, 3, 4], [4, 3, 2, 1]], [[1.0, 2, 3, 4]]),  # data along a row
        ([[1.0, 2, 3], [4, 3, 2]], [[1.0, 2, 0]]),  # odd width
    ],
)
def test_same_distribution_where_directions_coincide(weights, data):
    arguments = ALL, np.array(weights), np.array(data)
    assert_same_distribution(
        samples(read_symbols, *arguments, np.random.default_rng(3)),
        samples(read_sufficient, *arguments, np.random.default_rng(4)),
    )


@pytest.mark.parametrize("name", LINKS)
def test_values_alone_have_the_same_distribution(name):
    rng = np.random.default_rng(11)
    rows = encode_rows(rng.normal(size=(2, 6)), LINKS[name].modulation_variance)
    xi = np.broadcast_to(directions(rng.normal(size=(1, 6)))[0], (SHOTS, 3))
    alone = read_sufficient(LINKS[name], rows, xi, rng, verify=False)
    both = read_sufficient(LINKS[name], rows, xi, rng)
    assert alone.statistics is None
    assert_same_distribution(alone.values, both.values)


def test_one_seed_one_result():
    rows = encode_rows(np.eye(4), 8.0)
    xi, _ = directions(np.ones((2, 4)))
    one, same = (read_sufficient(ALL, rows, xi, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.values, same.values)
    np.testing.assert_array_equal(one.statistics.yy, same.statistics.yy)


def test_counts_every_symbol():
    rows = encode_rows(np.eye(4), 8.0)
    statistics = read_sufficient(
        ALL, rows, directions(np.ones((2, 4)))[0], np.random.default_rng(5)
    ).statistics
    np.testing.assert_array_equal(statistics.count, [8, 8])


def test_overlaps_that_are_known_already_change_nothing():
    rng = np.random.default_rng(5)
    rows = encode_rows(rng.normal(size=(6, 8)), 12.0)
    xi, _ = directions(rng.normal(size=(2, 8)))
    link, twice = Link(1.3, 6.0), np.array([0, 1, 1])
    of_each = Overlaps.of(rows, xi)
    np.testing.assert_allclose(of_each.xp + of_each.pq, (xi.real @ rows.x.T) + xi.imag @ rows.p.T)
    np.testing.assert_allclose(of_each.pp - of_each.xq, (xi.real @ rows.p.T) - xi.imag @ rows.x.T)
    known = of_each.take(twice)
    one = read_sufficient(link, rows, xi[twice], np.random.default_rng(1), overlaps=known)
    other = read_sufficient(link, rows, xi[twice], np.random.default_rng(1))
    np.testing.assert_allclose(one.values, other.values)
    np.testing.assert_allclose(one.statistics.yy, other.statistics.yy)
