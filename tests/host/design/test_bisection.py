"""Inversion of rising functions: the greatest argument that is still allowed."""

import numpy as np
import pytest

from shotveil.host.design.bisection import greatest


def test_it_inverts_element_by_element_to_rounding():
    target = np.array([1e-4, 0.5, 7.0])
    x = greatest(np.square, target, 1e-6, 1e6)
    np.testing.assert_allclose(x, np.sqrt(target), rtol=1e-13)


def test_it_stays_on_the_safe_side():
    target = np.linspace(0.1, 50, 999)
    assert (np.square(greatest(np.square, target, 1e-3, 1e3)) <= target).all()


def test_the_greatest_of_a_plateau_is_taken():
    assert greatest(np.floor, 2.0, 0.1, 100.0) == pytest.approx(3, rel=1e-12)
    assert greatest(np.floor, 2.0, 0.1, 100.0) < 3


def test_the_ends_are_kept():
    assert greatest(np.square, 1e-9, 0.5, 8.0) == pytest.approx(0.5, rel=1e-15)
    assert greatest(np.square, 1e9, 0.5, 8.0) == pytest.approx(8, rel=1e-13)
