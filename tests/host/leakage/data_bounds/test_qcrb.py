"""The quantum bound against its definition, and a measurement that reaches it."""

import numpy as np
import pytest

from shotveil.host.leakage.data_bounds.crb_prx import crb_prx
from shotveil.host.leakage.data_bounds.qcrb import qcrb


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


def test_it_exceeds_what_homodyning_tells():
    g = np.linspace(0.01, 1.9, 50)[:, None]
    modes = np.array([5, 50, 392])
    assert (qcrb(g, 794, modes) > crb_prx(g, 794, modes)).all()
    assert qcrb(1, 6, 2) == pytest.approx(1, rel=1e-14)  # ½·log2(1 + 3)
