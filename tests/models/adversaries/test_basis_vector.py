import numpy as np
import pytest

from shotveil.models.adversaries.basis_vector import BASIS_VECTOR, BasisQueries
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link


def test_its_directions_are_one_mode():
    xi = BasisQueries(3).directions(5, 8)
    assert xi.shape == (5, 8) and (np.abs(xi).sum(axis=1) == 1).all() and (xi[:, 3] == 1).all()
    assert (BasisQueries(7).directions(1, 8)[:, 7] == 1).all()
    for wrong in (8, -1, 0.5):
        with pytest.raises(RangeError, match="mode = "):
            BasisQueries(wrong).directions(5, 8)


def test_its_optics_are_as_granted():
    link = Link(1.3, 6.0, transmittance_out=0.9, transmittance_back=0.8)
    assert BasisQueries(3).link(link) == link and BasisQueries(3).bound == "mode"


def test_it_says_what_it_is():
    assert BASIS_VECTOR.of() == BasisQueries(0) and BASIS_VECTOR.of(2.0) == BasisQueries(2)
    assert BASIS_VECTOR.covered_by == "holevo of that mode"
    assert BASIS_VECTOR.strength.in_loop is None
    for wrong in (-1, 0.5):
        with pytest.raises(RangeError, match="mode"):
            BASIS_VECTOR.of(wrong)
