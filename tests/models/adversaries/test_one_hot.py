"""Data with all their light in one mode."""

import numpy as np

from shotveil.models.adversaries.one_hot import ONE_HOT, OneHotCounter


def test_every_mode_is_there_as_often_and_is_its_own_label():
    xi, labels = OneHotCounter().data(5, None)
    assert xi.shape == (80, 5) and (np.abs(xi).sum(axis=1) == 1).all()
    np.testing.assert_array_equal(np.abs(xi).argmax(axis=1), labels)
    assert np.bincount(labels).tolist() == [16] * 5
    assert ONE_HOT.covered_by == "holevo"
