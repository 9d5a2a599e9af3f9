"""Eigenbasis amplification: all allowed noise in the strongest components."""

import numpy as np
import pytest

from shotveil.models.adversaries.eigenbasis import EIGENBASIS, EigenbasisClient
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link

LINK = Link(1.3, 6.0, excess_noise=0.001)


def test_its_noise_is_what_is_allowed_and_lies_in_the_strongest_components():
    energies = 12.0 * np.linspace(3, 0.1, 30)
    play = EigenbasisClient(4).play(LINK, energies)
    assert play.noise_x is play.noise_p and not play.noise_x[4:].any()
    assert play.noise_x.mean() == pytest.approx(LINK.declared_excess_noise(30))
    assert (play.transmittance == 1).all() and play.read_bits > 0


def test_weights_that_suit_it_have_their_energy_where_it_looks():
    energies = EigenbasisClient(4).weights(30)
    assert energies.mean() == pytest.approx(1) and np.count_nonzero(energies) == 4
    with pytest.raises(RangeError, match=r"components = 31 is outside the integers in \[1, 30\]"):
        EigenbasisClient(31).weights(30)


def test_it_is_covered_by_the_bound_that_budgets_use():
    assert EIGENBASIS.covered_by == "holevo" and EIGENBASIS.of(3) == EigenbasisClient(3)
