"""The bound for clients that return modes amplified, against such clients."""

import numpy as np
import pytest

from shotveil.host.adversaries.attacks import held_per_mode
from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.leakage.weight_bounds.holevo import holevo
from shotveil.host.leakage.weight_bounds.holevo_amplified import holevo_amplified
from shotveil.models.adversaries.amplified_components import AmplifyingClient
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link

N = 40


def random_client(rng):
    """Energies, T and ε of each mode, of which some are amplified, and the row that is seen."""
    energies = np.exp(rng.normal(0, rng.uniform(0, 4), N)) * 10 ** rng.uniform(-1, 3)
    amplitude = 1 + 10 ** rng.uniform(-4, -0.5) * rng.standard_normal(N)
    amplitude = np.maximum(amplitude, 0)
    slope = min(1.0, amplitude @ energies / energies.sum())
    amplitude *= slope / (amplitude @ energies / energies.sum())
    noise = 2 * np.maximum(0, amplitude**2 - 1)
    noise += 10 ** rng.uniform(-6, -1) * rng.dirichlet(np.ones(N)) * N
    seen = noise.sum() + (amplitude - slope) ** 2 @ energies
    return energies, amplitude**2, noise, (energies.mean(), slope**2, seen / N)


@pytest.mark.parametrize("inferences", [1, 10, 1000])
def test_no_client_exceeds_it(inferences):
    rng = np.random.default_rng(inferences)
    for _ in range(300):
        energies, transmittance, noise, (mean, t, e) = random_client(rng)
        held = held_per_mode(inferences * energies, transmittance, noise).sum() / (2 * N)
        assert held <= float(holevo_amplified(inferences, mean, t, e)) * (1 + 1e-9)


@pytest.mark.parametrize("inferences", [1, 10, 100])
def test_a_client_comes_near_it_who_exceeds_the_bound_without_gain(inferences):
    link, client = Link(1.000873, 391.2), AmplifyingClient(1)
    play = client.play(link, link.modulation_variance * client.weights(392))
    held = held_per_mode(inferences * play.energies, play.transmittance, play.noise_x)
    row = inferences, link.modulation_variance, 1.0, link.declared_excess_noise(392)
    bits = held.sum() / (2 * 392)
    assert 1.9 * float(holevo(*row)) < bits < float(holevo_amplified(*row)) < 1.2 * bits


def test_it_is_no_less_than_the_bound_without_gain_and_no_more_than_all_lent_at_once():
    found = holevo_amplified(3, 12.0, [0.9, 1.0], 0.01)
    lent = np.sqrt(0.01 / 12) / 2
    most = majorant_after(3, 12.0, (np.sqrt([0.9, 1.0]) - lent) ** 2, 0.01)
    assert (found <= most).all()
    assert (found > holevo(3, 12.0, [0.9, 1.0], 0.01)).all()


def test_without_noise_or_light_there_is_nothing_to_lend():
    assert holevo_amplified(2, 12.0, 0.9, 0.0) == pytest.approx(float(holevo(2, 12.0, 0.9, 0.0)))
    assert holevo_amplified(2, 0.0, 0.9, 0.1) == 0
    assert holevo_amplified(1, 1e-6, 0.5, 0.1) <= holevo(1, 1e-6, 0.0, 0.1)
    with pytest.raises(RangeError):
        holevo_amplified(1, 12.0, 1.1, 0.1)
