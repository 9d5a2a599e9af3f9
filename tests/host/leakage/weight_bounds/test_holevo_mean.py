"""The published figure is what `host.leakage.weights` says of it."""

import numpy as np
import pytest

from shotveil.host.leakage.weight_bounds.holevo_mean import holevo_mean
from shotveil.host.leakage.weights import weight_leakage, weight_leakage_after


def test_it_is_chi_of_all_inferences_together():
    assert holevo_mean(7, 12.0, 0.9, 0.01) == weight_leakage_after(7, 12.0, 0.9, 0.01)
    assert holevo_mean(1, 12.0, 0.9, 0.01) == pytest.approx(weight_leakage(13.0, 0.9, 0.01))
    assert holevo_mean(0, 12.0, 0.9, 0.01) == 0
    assert holevo_mean(1, np.ones((3, 1)), np.full(2, 0.5), 0.0).shape == (3, 2)
    assert not holevo_mean.theorem
