"""Fast normals against the distribution they are said to have."""

import numpy as np
import pytest
from scipy.stats import kstest, norm

from shotveil.models.link.normals import fill_normals


@pytest.fixture(scope="module")
def sample():
    out = np.empty(4_000_001, np.float32)
    fill_normals(np.random.default_rng(3), out)
    return out.astype(np.float64)


def test_distribution(sample):
    assert kstest(sample, "norm").pvalue > 1e-4
    # Moments within 4.5 standard errors: the variance of z^k is E[z^2k] − E[z^k]².
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        error = np.sqrt(variance / sample.size)
        assert abs((sample**power).mean() - mean) < 4.5 * error


@pytest.mark.parametrize("limit", [3.0, 4.0, 4.5])
def test_tails(sample, limit):
    expected = sample.size * norm.sf(limit)
    for found in (np.count_nonzero(sample > limit), np.count_nonzero(sample < -limit)):
        assert abs(found - expected) < 4.5 * np.sqrt(expected) + 1


def test_independent(sample):
    # Of neighbours, and of the two numbers that come from one pair of uniform ones.
    half = (sample.size + 1) // 2
    for shift in (1, 2, half):
        a, b = sample[:-shift], sample[shift:]
        for one, other in ((a, b), (a**2 - 1, b**2 - 1)):
            product = one * other
            assert abs(product.mean()) < 4.5 * product.std() / np.sqrt(product.size)


@pytest.mark.parametrize("shape", [(1,), (2,), (3, 5), (0,)])
def test_any_size(shape):
    out = np.full(shape, np.nan, np.float32)
    fill_normals(np.random.default_rng(1), out)
    assert np.isfinite(out).all()


def test_one_seed_one_result():
    one, same, other = (np.empty(100, np.float32) for _ in range(3))
    for out, seed in ((one, 1), (same, 1), (other, 2)):
        fill_normals(np.random.default_rng(seed), out)
    np.testing.assert_array_equal(one, same)
    assert not np.isclose(one, other).any()
