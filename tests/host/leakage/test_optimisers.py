"""Clients found by general optimisers: what they reach is real, and the bound is above it."""

import numpy as np
import pytest

from shotveil.host.leakage.majorant import majorant_per_mode
from shotveil.host.leakage.optimisers import best_for_spectra, best_mixture, random_spectra
from shotveil.host.leakage.weights import holevo_of_modulation

POINTS = [(783.0, 2.2e-6), (18.2, 1.18e-3), (2e5, 1e-3)]


@pytest.mark.parametrize("transmittance", [1.0, 0.999, 0.99, 0.9])
def test_the_bound_is_above_the_best_mixture_by_at_most_two_per_cent(transmittance):
    for modulation, noise in POINTS:
        found = best_mixture(modulation, noise, 1 - np.sqrt(transmittance))
        assert found <= majorant_per_mode(modulation, transmittance, noise) <= 1.02 * found
        assert found >= 0.9999 * holevo_of_modulation(modulation, transmittance, noise)


@pytest.mark.parametrize("transmittance", [1.0, 0.99])
def test_no_spectrum_leaks_more_than_the_bound(transmittance):
    spectra = np.array(list(random_spectra(40, 16, 7)))
    assert spectra.mean(axis=1) == pytest.approx(1)
    n = len(spectra)
    for modulation, noise in POINTS[:2]:
        found = best_for_spectra(
            spectra,
            np.full(spectra.shape, 1 / 16),
            np.full(n, modulation),
            np.full(n, noise),
            np.full(n, 1 - np.sqrt(transmittance)),
            starts=1,
            steps=60,
        )
        assert (found <= majorant_per_mode(modulation, transmittance, noise)).all()
        assert (found > 0).all()


def test_a_climb_reaches_what_is_known():
    """All energy in one mode of 22: all noise there too. A flat spectrum: an even spread."""
    one = np.array([[22.0, 0.0]])
    share = np.array([[1 / 22, 21 / 22]])
    given = np.array([783.0]), np.array([2.2e-6]), np.zeros(1)
    wanted = holevo_of_modulation(22 * 783.0, 1.0, 22 * 2.2e-6) / 22
    assert best_for_spectra(one, share, *given) == pytest.approx(wanted, rel=1e-4)
    flat = np.ones((1, 8)), np.full((1, 8), 1 / 8)
    even = holevo_of_modulation(783.0, 1.0, 2.2e-6)
    assert best_for_spectra(*flat, *given) == pytest.approx(even, rel=1e-3)
