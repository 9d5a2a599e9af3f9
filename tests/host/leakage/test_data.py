"""The data bounds against 60 digits and against Fisher information taken by brute force."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shotveil.host.leakage.data import crb_prx, crb_v1, data_leakage, holevo, qcrb
from shotveil.models.common.checks import RangeError


def slow_bounds(g, rows, modes):
    """The four formulas as printed, in 60 digits."""
    with mp.workdps(60):
        g, rows, modes = mp.mpf(g), mp.mpf(rows), mp.mpf(modes)

        def t(n):
            return (n + 1) * mp.log(n + 1, 2) - n * mp.log(n, 2) if n else mp.mpf(0)

        x2 = 1 / modes
        sigma2 = 1 + g * x2
        return {
            "crb_v1": mp.log(1 + 2 * modes * x2 * (2 * g**2 * x2 / sigma2**4), 2) / 2,
            "crb_prx": mp.log(1 + rows / modes * g**2 / (1 + g), 2) / 2,
            "qcrb": mp.log(1 + 2 * g * rows / (2 * modes), 2) / 2,
            "holevo": rows / (2 * modes) * (modes * t(g / 2 / modes) - t(g / 2)),
        }


@pytest.mark.parametrize("g", [0.0, 1e-12, 1e-6, 6 / 13, 1.9])
@pytest.mark.parametrize("rows", [1, 794, 10**6])
@pytest.mark.parametrize("modes", [1, 5, 392, 10**5])
def test_against_sixty_digits(g, rows, modes):
    fast = data_leakage(g, rows, modes)
    slow = slow_bounds(g, rows, modes)
    assert list(fast) == ["crb_v1", "crb_prx", "qcrb", "holevo"]
    for name, bits in slow.items():
        assert fast[name] == pytest.approx(float(bits), rel=1e-11, abs=0), name


def test_values_at_the_published_setting():
    """G = 1.3, N = 392, M = 784 + 10: the printed formulas to 6 digits."""
    fast = data_leakage(6 / 13, 794, 392)
    expected = {"crb_v1": 0.00155891, "crb_prx": 0.186596, "qcrb": 0.476111, "holevo": 1.97725}
    for name, bits in expected.items():
        assert fast[name] == pytest.approx(bits, rel=5e-6), name


def test_fisher_information_behind_crb_prx():
    """½·tr (Σ⁻¹∂Σ)² of Σ = 1 + g(uuᵀ + u'u'ᵀ) over both quadratures, ξ turned in a tangent."""
    rng = np.random.default_rng(5)
    modes, g = 6, 0.7
    xi = rng.normal(size=modes) + 1j * rng.normal(size=modes)
    xi /= np.linalg.norm(xi)
    tangent = rng.normal(size=modes) + 1j * rng.normal(size=modes)
    tangent -= xi * np.vdot(xi, tangent)
    tangent /= np.linalg.norm(tangent)

    def covariance(angle):
        v = np.cos(angle) * xi + np.sin(angle) * tangent
        columns = np.array([np.r_[v.real, v.imag], np.r_[-v.imag, v.real]]).T
        return np.eye(2 * modes) + g * columns @ columns.T

    step = 1e-5
    slope = (covariance(step) - covariance(-step)) / (2 * step)
    ratio = np.linalg.solve(covariance(0), slope)
    information = np.trace(ratio @ ratio) / 2
    assert information == pytest.approx(2 * g**2 / (1 + g), rel=1e-8)
    expected = np.log2(1 + 794 * information / (2 * 392)) / 2
    assert crb_prx(g, 794, 392) == pytest.approx(expected, rel=1e-8)


def test_quantum_fisher_information_behind_qcrb():
    """4n̄ per row: a thermal mode turned into an empty one, in the Fock basis, by the definition."""
    g, levels = 0.46, 40
    n = g / 2
    p = (n / (1 + n)) ** np.arange(levels) / (1 + n)
    lower = np.diag(np.sqrt(np.arange(1, levels)), 1)
    turn = np.kron(lower.T, lower)
    generator = 1j * (turn - turn.T)
    q = np.kron(p, np.eye(levels)[0])  # eigenvalues of thermal ⊗ vacuum
    sums, gaps = q[:, None] + q[None, :], q[:, None] - q[None, :]
    weight = np.divide(gaps**2, sums, out=np.zeros_like(sums), where=sums > 0)
    information = 2 * np.sum(weight * np.abs(generator) ** 2)
    assert information == pytest.approx(4 * n, rel=1e-6)
    assert qcrb(g, 794, 392) == pytest.approx(np.log2(1 + 794 * information / 784) / 2, rel=1e-6)


def test_photon_counting_reaches_the_quantum_limit():
    """Simulated clicks of the returned thermal light tell 4n̄·M about each |ξ_k|."""
    rng = np.random.default_rng(6)
    g, modes, rows, runs = 0.46, 5, 2000, 2000
    share = rng.dirichlet(np.full(modes, 8.0))
    photons = rng.gamma(1.0, g / 2, size=(runs, rows)).sum(axis=1)  # intensity of ν, row by row
    clicks = rng.poisson(photons[:, None] * share)
    magnitude = np.sqrt(clicks / clicks.sum(axis=1, keepdims=True))
    # A tangent of magnitudes r: variance 1/(4·clicks) in each direction orthogonal to r.
    tangent = np.linalg.svd(np.sqrt(share)[None, :])[2][1:]
    variance = np.var(magnitude @ tangent.T, axis=0)
    np.testing.assert_allclose(variance * 4 * (g / 2) * rows, 1, rtol=0.15)


def test_an_attack_stays_below_the_theorem():
    """Photon counting on one row gives less than `holevo` allows, for data known to be one of N.

    x̂ is a basis vector, uniformly chosen: a click names it, so the information is log2 N times the
    probability of any click. (Of all priors with E|ξ_k|² = 1/N this one is the easiest to read.)
    """
    for g in (0.01, 0.46, 1.5):
        for modes in (2, 16, 392):
            click = 1 - 1 / (1 + g / 2)
            assert click * np.log2(modes) <= holevo(g, 1, modes) * 2 * modes


def test_order_of_the_bounds_and_single_mode():
    g = np.linspace(0.01, 1.9, 50)[:, None]
    modes = np.array([5, 50, 392])
    assert (qcrb(g, 794, modes) > crb_prx(g, 794, modes)).all()
    assert (holevo(g, 794, modes) > 0).all()
    assert holevo(0.5, 100, 1) == 0  # one mode: only |ξ| = 1, nothing to learn
    assert (crb_v1(g, 1, modes) == crb_v1(g, 10**4, modes)).all()
    assert crb_v1(0.46, np.ones(3), 392).shape == (3,)
    assert isinstance(holevo(0.46, 10, 392), float)


@pytest.mark.parametrize("bound", [crb_v1, crb_prx, qcrb, holevo])
@pytest.mark.parametrize(
    "arguments, message",
    [
        ((-0.1, 794, 392), "excess noise quantum g = -0.1"),
        ((0.1, 0, 392), "rows = 0"),
        ((0.1, 794, 0), "modes = 0"),
        ((0.1, 794, 1.5), "modes = 1.5"),
        ((float("nan"), 794, 2), "excess noise quantum g = nan"),
    ],
)
def test_refuses(bound, arguments, message):
    with pytest.raises(RangeError, match=message):
        bound(*arguments)


bounds = st.sampled_from([crb_prx, qcrb, holevo])
settings_of_a_layer = st.floats(0, 1.99), st.integers(1, 10**6), st.integers(1, 10**5)


@settings(max_examples=150)
@given(bounds, *settings_of_a_layer, st.integers(1, 1000), st.floats(0, 1))
def test_more_rows_and_more_gain_never_tell_less(bound, g, rows, modes, more, less):
    one = bound(g, rows, modes)
    assert 0 <= one < np.inf
    together, apart = bound(g, rows + more, modes), bound(g, more, modes)
    assert one * (1 - 1e-12) <= together <= (one + apart) * (1 + 1e-12), "subadditive in rows"
    assert bound(g * less, rows, modes) <= one * (1 + 1e-12)


@settings(max_examples=100)
@given(*settings_of_a_layer)
def test_no_measurement_tells_more_than_any_measurement(g, rows, modes):
    """Homodyning is one measurement; and no measurement of one row tells more than its theorem."""
    assert crb_prx(g, rows, modes) <= qcrb(g, rows, modes) * (1 + 1e-12)
    assert holevo(g, rows, modes) == pytest.approx(rows * holevo(g, 1, modes), rel=1e-12)
    assert crb_v1(g, rows, modes) >= 0


@pytest.mark.parametrize("bound", [crb_v1, crb_prx, qcrb, holevo])
def test_the_ends_of_the_ranges(bound):
    assert bound(0.0, 1, 1) == 0
    assert bound(0.0, 1, 7) == 0
    for arguments, name in (((0.1, 1.5, 2), "rows"), ((0.1, -1, 2), "rows"), ((0.1, 1, 0.5), "mo")):
        with pytest.raises(RangeError, match=name):
            bound(*arguments)
