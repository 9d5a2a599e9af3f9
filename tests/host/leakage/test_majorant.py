"""The bound `holevo` is above every split of energy, noise and loss, and near the best one."""

import numpy as np
import pytest

from shotveil.host.leakage.majorant import (
    majorant_after,
    majorant_per_mode,
    make_plane_table,
    plane_table,
    save_plane_table,
)
from shotveil.host.leakage.supporting_planes import best_split
from shotveil.host.leakage.weights import holevo_of_modulation, holevo_per_mode
from shotveil.models.common.checks import RangeError


@pytest.mark.parametrize("transmittance", [1.0, 0.999, 0.99, 0.9, 0.5])
@pytest.mark.parametrize("inferences", [1, 10, 100, 10_000])
def test_it_is_above_the_best_split_by_at_most_two_per_cent(transmittance, inferences):
    rng = np.random.default_rng(int(transmittance * 1000) + inferences)
    modulation = inferences * 10 ** rng.uniform(-1, 3.5, 200)
    noise = 10 ** rng.uniform(-7, -0.5, 200)
    bound = majorant_per_mode(modulation, transmittance, noise)
    found = best_split(modulation, noise, np.full(200, 1 - np.sqrt(transmittance))).bits
    assert (bound >= found).all()
    assert (bound <= 1.02 * found).all()


@pytest.mark.parametrize("transmittance", [1.0, 0.999, 0.99, 0.9])
def test_no_random_row_leaks_more(transmittance):
    """Rows of 64 modes with random spectra, noise and loss, each with the row's own means."""
    rng = np.random.default_rng(7)
    for _ in range(300):
        energy = rng.gamma(rng.uniform(0.02, 2), size=64) * 10 ** rng.uniform(-1, 4)
        noise = energy ** rng.uniform(0, 2) * rng.gamma(0.3, size=64)
        noise *= 10 ** rng.uniform(-6, -1) / noise.mean()
        lost = rng.beta(0.3, 3, size=64) * (transmittance < 1)
        wanted = (1 - np.sqrt(transmittance)) * energy.sum()
        lost = np.minimum(lost * wanted / max((lost * energy).sum(), 1e-300), 1)
        leaks = holevo_of_modulation(energy, (1 - lost) ** 2, noise).mean()
        slope = ((1 - lost) * energy).sum() / energy.sum()
        assert leaks <= majorant_per_mode(energy.mean(), slope**2, noise.mean())


def test_noise_along_principal_components_is_covered():
    """The attack that the mean does not cover: all energy and noise in one mode of 22."""
    mean = holevo_per_mode(1 + 783.0, 1, 2.2e-6)
    attack = holevo_per_mode(1 + 22 * 783.0, 1, 22 * 2.2e-6) / 22
    assert attack > 4 * mean
    assert attack <= majorant_per_mode(783.0, 1, 2.2e-6)


def test_dark_modes_change_no_total():
    """A row padded to eight times its modes has an eighth of the means."""
    once = 392 * majorant_per_mode(783.0, 1.0, 2.2e-6)
    padded = 8 * 392 * majorant_per_mode(783.0 / 8, 1.0, 2.2e-6 / 8)
    assert padded == pytest.approx(once, rel=1e-2)


def test_limits():
    assert majorant_per_mode(0, 0.5, 0.1) == 0
    assert majorant_per_mode(7.0, 0.0, 0.1) == holevo_per_mode(8.0, 0.0, 0.1)
    assert majorant_per_mode(7.0, 0.9, 0.0) == holevo_per_mode(8.0, 0.9, 0.0)
    assert majorant_after(0, 3.0, 0.9, 0.01) == 0  # nothing was sent yet
    assert majorant_after(10, 3.0, 0.9, 0.01) == majorant_per_mode(30.0, 0.9, 0.01) / 2
    assert majorant_per_mode(np.ones((3, 1)), np.full(2, 0.5), 0.1).shape == (3, 2)
    huge = majorant_per_mode(1e25, 0.99, 0.1)
    assert holevo_per_mode(1e25, 0.99, 0.1) <= huge < 1.1 * holevo_per_mode(1e25, 0.99, 0.1)


def test_it_grows_with_light_and_noise_and_falls_with_transmittance():
    light = majorant_per_mode(np.geomspace(1e-2, 1e9, 4000), 0.99, 1e-3)
    assert (np.diff(light) > -0.01 * light[1:]).all()
    noise = majorant_per_mode(50.0, 0.99, np.geomspace(1e-8, 2, 4000))
    assert (np.diff(noise) > -0.01 * noise[1:]).all()  # the slack, where planes change
    loss = majorant_per_mode(50.0, 1 - np.geomspace(1e-9, 1, 4000), 1e-3)
    assert (np.diff(loss) > -0.01 * loss[1:]).all()


def test_what_is_out_of_range_is_refused():
    for wrong in ((-1, 1, 0.1), (1, -0.1, 0.1), (1, 1.1, 0.1), (1, 1, -0.1)):
        with pytest.raises(RangeError):
            majorant_per_mode(*wrong)
    for wrong in (1.5, 1), (-1, -1), (1, -1):
        with pytest.raises(RangeError):
            majorant_after(*wrong, 1, 0.1)


def test_the_table_is_what_its_maker_makes(tmp_path, monkeypatch):
    """A small corner of the grid, remade, equals the same corner of the table."""
    import shotveil.host.leakage.majorant as module

    kept = plane_table()
    corner = slice(20, 22), slice(15, 17), slice(0, 3)
    for name, axis, part in zip(
        ("_MODULATION", "_EXCESS_NOISE", "_LOST_AMPLITUDE"), kept[:3], corner, strict=True
    ):
        start, stop = part.start, part.stop - (name == "_LOST_AMPLITUDE")
        monkeypatch.setattr(module, name, axis[start:stop])
    done = []
    made = make_plane_table(lambda count, total: done.append((count, total)))
    assert made.planes == pytest.approx(kept.planes[corner], rel=1e-3, abs=1e-12)
    assert sum(count for count, _ in done) == done[0][1] == 12
    save_plane_table(made, tmp_path / "table.npz")
    with np.load(tmp_path / "table.npz") as again:
        assert (again["planes"] == made.planes).all()
