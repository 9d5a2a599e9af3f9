"""The bound of PRX against Fisher information taken by brute force."""

import numpy as np
import pytest

from shotveil.host.leakage.data_bounds.crb_prx import crb_prx


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


def test_at_a_point_worked_out_by_hand():
    # M/N·g²/(1+g) = 6/2·1/2 = 3/2 at g = 1.
    assert crb_prx(1, 6, 2) == pytest.approx(np.log2(2.5) / 2, rel=1e-14)
