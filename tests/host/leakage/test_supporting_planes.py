"""The majorant from below and from above: the split that a client would choose, and the planes."""

import numpy as np
import pytest

from shotveil.host.leakage.supporting_planes import MARGIN, best_split, planes_above
from shotveil.host.leakage.weights import holevo_of_modulation, holevo_per_mode
from shotveil.models.link.amplifier import inference_noise, noise_quantum


def points(n, rng, lossless):
    modulation = 10 ** rng.uniform(-3, 8, n)
    noise = 10 ** rng.uniform(-9, 0, n)
    lost = 10 ** rng.uniform(-8, 0, n)
    lost[:lossless] = 0
    return modulation, noise, lost


@pytest.mark.parametrize(
    ("gain", "f2", "transmittance", "technical", "bits"),
    [
        (1.000873, 0.6833, 1, 0, 0.0479),
        (1.3, 2.4, 1, 0, 0.0819),
        (1.0436, 10.8, 1, 0, 0.1862),
        (1.3, 2.4, 0.99, 1e-3, 0.2348),
        (1.3, 0.6833, 0.977, 1e-3, 0.1470),
        (1.3, 2.4, 0.9, 1e-3, 0.7037),
        (1.185, 0.145, 0.5, 1e-3, 0.4017),
    ],
)
def test_the_best_split_leaks_what_linear_programs_over_all_modes_find(
    gain, f2, transmittance, technical, bits
):
    """The values come from linear programs over a grid of modes, which know nothing of kinds."""
    modulation = np.array([f2 * inference_noise(gain)])
    noise = np.array([noise_quantum(gain) / 392 + technical])
    split = best_split(modulation, noise, np.array([1 - np.sqrt(transmittance)]))
    assert split.bits[0] / 2 == pytest.approx(bits, rel=2e-3)


def test_a_split_is_made_of_modes_with_the_means_it_was_asked_for():
    modulation, noise, lost = points(50, np.random.default_rng(1), 10)
    split = best_split(modulation, noise, lost)
    noisy, dim = split.noisy_modes, 1 - split.noisy_modes
    energy = split.noisy_energy * modulation
    rest = (1 - split.noisy_energy) * modulation
    share = np.where(lost > 0, np.minimum(modulation * lost / np.maximum(rest, 1e-300), 1), 0)
    bits = noisy * holevo_of_modulation(energy / noisy, 1.0, noise / noisy)
    bits += dim * holevo_of_modulation(rest / dim, (1 - share) ** 2, 0.0)
    assert bits == pytest.approx(split.bits, rel=1e-6)
    assert (split.bits >= holevo_per_mode(1 + modulation, 1.0, noise) * (1 - 1e-6)).all()


def test_no_mode_of_any_kind_rises_above_a_plane():
    rng = np.random.default_rng(2)
    modulation, noise, lost = points(60, rng, 20)
    planes = planes_above(modulation, noise, lost)
    a, e = 10 ** rng.uniform(-6, 12, 100_000), 10 ** rng.uniform(-12, 3, 100_000)
    s = 10 ** rng.uniform(-9, 0, 100_000)
    for plane, without_loss in zip(planes, lost == 0, strict=True):
        away = s * (not without_loss)
        chi = holevo_of_modulation(a, (1 - away) ** 2, e)
        assert (chi <= plane @ np.array([np.ones_like(a), a, e, a * away])).all()


def test_a_plane_touches_the_best_split_but_for_the_margin():
    modulation, noise, lost = points(200, np.random.default_rng(3), 60)
    d, a, b, c = planes_above(modulation, noise, lost).T
    height = d + a * modulation + b * noise + c * modulation * lost
    over = height / best_split(modulation, noise, lost).bits
    assert over.min() >= 1 + 0.99 * MARGIN
    assert over.max() <= 1.01
    assert np.quantile(over, 0.9) <= 1 + 1.1 * MARGIN
