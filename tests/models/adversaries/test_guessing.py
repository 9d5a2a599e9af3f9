"""The data that a guessing server knows."""

import numpy as np
import pytest

from shotveil.models.adversaries.guessing import KNOWN_IMAGES, digits, unaimed
from shotveil.models.common.checks import RangeError


def test_digits_are_unit_vectors_with_their_labels():
    known = digits(392)
    assert known.directions.shape == (KNOWN_IMAGES, 392)
    np.testing.assert_allclose(np.linalg.norm(known.directions, axis=1), 1)
    assert set(known.labels.tolist()) == set(range(10))
    with pytest.raises(RangeError, match=r"modes = 391 is outside \[392, 392\]"):
        digits(391)


def test_random_rows_lie_along_no_direction_more_than_another():
    np.testing.assert_allclose(unaimed(digits(392)), 1 / 392)
