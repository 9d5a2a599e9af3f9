"""The theorem on the data: above an attack, and nothing where there is nothing to learn."""

import numpy as np
import pytest

from shotveil.host.leakage.data_bounds.holevo import holevo


def test_an_attack_stays_below_the_theorem():
    """Photon counting on one row gives less than `holevo` allows, for data known to be one of N.

    x̂ is a basis vector, uniformly chosen: a click names it, so the information is log2 N times the
    probability of any click. (Of all priors with E|ξ_k|² = 1/N this one is the easiest to read.)
    """
    for g in (0.01, 0.46, 1.5):
        for modes in (2, 16, 392):
            click = 1 - 1 / (1 + g / 2)
            assert click * np.log2(modes) <= holevo(g, 1, modes) * 2 * modes


def test_nothing_can_be_learned_from_one_mode_or_without_noise():
    assert holevo(0.5, 100, 1) == 0  # one mode: only |ξ| = 1, nothing to learn
    assert holevo(0, 100, 5) == 0
    assert (holevo(np.linspace(0.01, 1.9, 50), 794, 5) > 0).all()


def test_at_a_point_worked_out_by_hand():
    # g = 2, so n̄ = 1, N = 2: (M/4)·[2·t(½) − t(1)], t(½) = 1.5·log2(1.5) + ½, t(1) = 2.
    assert holevo(2, 8, 2) == pytest.approx(2 * (2 * (1.5 * np.log2(1.5) + 0.5) - 2), rel=1e-13)


def test_at_a_point_with_coherent_light_worked_out_by_hand():
    # g = 2, so n̄ = 1, c = 3, N = 2: (M/4)·[2·t(4/2) − t(1)], t(2) = 3·log2(3) − 2, t(1) = 2.
    assert holevo(2, 8, 2, 3) == pytest.approx(2 * (2 * (3 * np.log2(3) - 2) - 2), rel=1e-13)
