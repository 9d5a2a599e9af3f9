"""What leaks of weights of a known spectrum: against general optimisers, and between the bounds."""

import numpy as np
import pytest

from shotveil.host.leakage.majorant import majorant_per_mode
from shotveil.host.leakage.optimisers import best_for_spectra, random_spectra
from shotveil.host.leakage.spectrum import Spectrum, spectrum_leakage, spectrum_of
from shotveil.host.leakage.weights import holevo_of_modulation

FLAT = Spectrum(np.ones(1), np.ones(1))


def test_a_spectrum_is_that_of_the_second_moments_of_complex_modes():
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(500, 12)) * np.repeat([3.0, 1.0, 1.0, 0.5, 0.0, 0.0], 2)
    modes = weights[:, 0::2] + 1j * weights[:, 1::2]
    wanted = np.linalg.eigvalsh(modes.conj().T @ modes / 500)
    found = spectrum_of(weights)
    kept = np.repeat(found.energy, np.rint(found.share * 6).astype(int))
    assert np.sort(kept) == pytest.approx(wanted / wanted.mean(), rel=0.05, abs=1e-9)
    assert found.share.sum() == pytest.approx(1)
    assert found.share @ found.energy == pytest.approx(1)
    few = spectrum_of(weights[:2])  # two rows span two of the six modes
    assert few.share[few.energy > 0].sum() == pytest.approx(2 / 6)


def test_components_are_told_apart_by_energy_as_finely_as_there_are_kinds():
    amplitude = np.sqrt(np.geomspace(1, 1e-5, 40))  # one component in the middle of each kind
    found = spectrum_of(np.kron(np.diag(amplitude), np.eye(2)))
    wanted = amplitude**2 * 40 / (amplitude @ amplitude)
    assert np.sort(found.energy)[1:] == pytest.approx(np.sort(wanted), rel=1e-6)
    assert found.share[found.energy > 0] == pytest.approx(1 / 40)


def test_the_basis_and_the_order_of_columns_do_not_matter():
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(40, 16)) * np.geomspace(1, 9, 16)
    pairs = np.arange(16).reshape(8, 2)[rng.permutation(8)].ravel()
    for other in (weights[:, pairs], weights[rng.permutation(40)], 7 * weights):
        for mine, theirs in zip(spectrum_of(other), spectrum_of(weights), strict=True):
            assert mine == pytest.approx(theirs)


@pytest.mark.parametrize("transmittance", [1.0, 0.99, 0.9])
@pytest.mark.parametrize("inferences", [1, 1000])
def test_it_is_what_general_optimisers_reach_and_not_above_the_bound(transmittance, inferences):
    spectra = np.array(list(random_spectra(12, 24, 3)))
    share = np.full(spectra.shape, 1 / 24)
    modulation, noise = np.full(12, 18.2 * inferences), np.full(12, 2.2e-3)
    lost = np.full(12, 1 - np.sqrt(transmittance))
    reached = best_for_spectra(spectra, share, modulation, noise, lost, starts=2, steps=150)
    found = np.array(
        [
            spectrum_leakage(Spectrum(*each), modulation[0], transmittance, noise[0])
            for each in zip(spectra, share, strict=True)
        ]
    )
    assert (found >= reached).all()
    assert (found <= 1.02 * reached).all()
    assert (found <= 1.01 * majorant_per_mode(modulation[0], transmittance, noise[0])).all()


def test_limits():
    mean = holevo_of_modulation(5.0, 1.0, 0.01)
    assert mean <= spectrum_leakage(FLAT, 5.0, 1.0, 0.01) <= 1.01 * mean
    assert spectrum_leakage(FLAT, 0.0, 0.5, 0.1) == 0
    assert spectrum_leakage(FLAT, 5.0, 1.0, 0.0) == 0
    lossy = holevo_of_modulation(5.0, 0.9, 0.0)
    assert lossy <= spectrum_leakage(FLAT, 5.0, 0.9, 0.0) <= 1.01 * lossy
    lost = holevo_of_modulation(5.0, 0.0, 0.1)
    assert lost <= spectrum_leakage(FLAT, 5.0, 0.0, 0.1) <= 1.01 * lost


def test_dark_modes_change_no_total():
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(30, 20))
    once = spectrum_of(weights)
    padded = spectrum_of(np.pad(weights, ((0, 0), (0, 140))))
    for transmittance in (1.0, 0.95):
        total = spectrum_leakage(once, 40.0, transmittance, 0.01)
        assert 8 * spectrum_leakage(padded, 5.0, transmittance, 0.01 / 8) == pytest.approx(
            total, rel=2e-3
        )
