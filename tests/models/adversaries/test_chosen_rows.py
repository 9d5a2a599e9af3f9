"""Rows that resemble the data."""

import numpy as np

from shotveil.models.adversaries.chosen_rows import ChosenRows
from shotveil.models.adversaries.guessing import digits


def test_its_rows_lie_along_the_data_and_no_brighter():
    data, server = digits(392), ChosenRows()
    share = server.aim(data)
    assert share.mean() > 50 / 392  # against 1/392 of random rows
    assert share.max() <= 1 and share.min() >= 0
    # No unit vector lies along them more, in the mean of squares.
    mean = data.directions.mean(axis=0)
    other = np.abs(data.directions @ (mean / np.linalg.norm(mean)).conj()) ** 2
    assert share.mean() >= other.mean()
