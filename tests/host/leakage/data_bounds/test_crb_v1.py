"""The bound of arXiv v1, as printed."""

import numpy as np
import pytest

from shotveil.host.leakage.data_bounds.crb_v1 import crb_v1


def test_at_a_point_worked_out_by_hand():
    # N = 2, x² = ½, g = 2: σ² = 2, I = 2·4·½/16 = ¼, ½·log2(1 + 2·2·½·¼) = ½·log2(1.5).
    assert crb_v1(2, 9, 2) == pytest.approx(np.log2(1.5) / 2, rel=1e-14)


def test_rows_do_not_enter_but_for_their_shape():
    modes = np.array([5, 50, 392])
    assert (crb_v1(0.7, 1, modes) == crb_v1(0.7, 10**4, modes)).all()
    assert crb_v1(0.46, np.ones(3), 392).shape == (3,)
