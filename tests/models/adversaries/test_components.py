"""What a server's means allow, and how a client pours noise over components."""

import numpy as np
import pytest
from scipy.optimize import minimize

from shotveil.models.adversaries.components import allowed, bits_by_heterodyning, poured
from shotveil.models.link.optics import Detector, Link
from shotveil.models.link.symbols import amplify_and_tap, vacuum


def test_what_is_allowed_is_what_is_declared_where_the_unit_stands_still():
    link = Link(1.3, 6.0, transmittance_back=0.9, excess_noise=0.01)
    transmittance, noise, unit = allowed(link, 40)
    assert (transmittance, unit) == (0.9, 1)
    assert noise == pytest.approx(40 * link.declared_excess_noise(40))


@pytest.mark.parametrize("drift", [None, 0.0, 0.004, 0.02, 0.1])
def test_with_a_drift_the_record_is_just_as_noisy_as_the_server_accepts(drift):
    kappa = 0.02
    receiver = Detector(0.8, 0.1, shot_noise_drift=kappa)
    link = Link(1.3, 6.0, server_detector=receiver)
    transmittance, noise, unit = allowed(link, 40, drift)
    assert unit == 1 - (kappa if drift is None else drift)
    honest = float(receiver.noise_variance(link.honest_excess_noise_at(1.3, 6.0, 40)))
    recorded = unit * float(receiver.noise_variance(noise / 40))
    assert recorded == pytest.approx((1 + kappa) * honest)
    # Its slope is accepted as long as the drift is one that is declared.
    assert (transmittance * unit >= (1 - kappa) * (1 - 1e-9)) == (unit >= 1 - kappa)


def test_noise_is_poured_where_it_tells_the_most():
    energies = np.array([9.0, 0.0, 3.0, 0.5, 20.0])
    for total in (0.0, 0.3, 2.0, 40.0):
        share = poured(energies, total)
        assert share.sum() == pytest.approx(total) and share.min() >= 0 and share[1] == 0

        def told(x):
            return -np.sum(np.log1p(energies * np.abs(x) / 4))

        best = told(share)
        for seed in range(20):
            other = np.random.default_rng(seed).dirichlet(np.ones(5)) * total
            assert best <= told(other) + 1e-12
    found = minimize(
        lambda x: told(x / np.abs(x).sum() * 2.0), np.ones(5), method="Nelder-Mead"
    ).fun
    assert told(poured(energies, 2.0)) <= found + 1e-9


def test_bits_by_heterodyning_are_those_of_the_simulated_light():
    rng = np.random.default_rng(3)
    energies, noise = np.array([40.0, 5.0]), np.array([0.4, 0.9])
    bits = 0.0
    for energy, added in zip(energies, noise, strict=True):
        sent = vacuum((400_000,), rng, energy)
        tapped, _ = amplify_and_tap(sent + vacuum(sent.shape, rng), 2 / (2 - added), rng)
        record = (tapped + vacuum(sent.shape, rng)) / np.sqrt(2)
        bits -= np.log2(1 - np.corrcoef(sent.real, record.real)[0, 1] ** 2)
    assert bits_by_heterodyning(energies, noise) == pytest.approx(bits, rel=0.01)
    assert bits_by_heterodyning(energies, np.zeros(2)) == 0
