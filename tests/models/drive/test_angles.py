"""The table of angles is replayed as the row of every frame."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.drive import angles
from shotveil.models.drive.spec import DriveSpec

SPEC = DriveSpec()


def test_angles_replay_their_table():
    table = np.arange(10).reshape(2, 5)
    np.testing.assert_array_equal(angles.model(SPEC, table, 3), np.stack([table] * 3))
    with pytest.raises(RangeError, match=r"angles in the table = 5000 is outside \[1, 4096\]"):
        angles.model(SPEC, np.zeros((2, 5000)), 1)
    with pytest.raises(RangeError, match="shape"):
        angles.model(SPEC, np.zeros((3, 5)), 1)
    with pytest.raises(RangeError, match="beyond"):
        angles.model(SPEC, np.full((2, 5), 1 << 15), 1)


def test_any_number_of_rows_and_the_ends_of_the_table():
    ends = np.array([[-32768, 32767]] * 2)
    assert angles.model(SPEC, ends, 0).shape == (0, 2, 2)
    copies = angles.model(SPEC, ends, 2)
    copies[0] = 0  # a copy each
    np.testing.assert_array_equal(copies[1], ends)
    assert angles.model(SPEC, np.zeros((2, 4096)), 1).shape == (1, 2, 4096)
    assert angles.model(SPEC, np.zeros((2, 1)), 1).shape == (1, 2, 1)
    for rows in (-1, 1.5):
        with pytest.raises(RangeError, match="rows = "):
            angles.model(SPEC, ends, rows)
    for wrong in (np.zeros((2, 0)), np.zeros((2, 4097))):
        with pytest.raises(RangeError, match="angles in the table"):
            angles.model(SPEC, wrong, 1)
    for wrong in (np.zeros(2), np.zeros((1, 2, 3)), np.zeros((1, 2))):
        with pytest.raises(RangeError, match="shape"):
            angles.model(SPEC, wrong, 1)
    with pytest.raises(RangeError, match="beyond"):
        angles.model(SPEC, np.full((2, 5), -(1 << 15) - 1), 1)
