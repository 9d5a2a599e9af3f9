"""The bound `holevo` is the majorant of all inferences together."""

import numpy as np

from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.leakage.weight_bounds.holevo import holevo
from shotveil.host.leakage.weight_bounds.holevo_mean import holevo_mean


def test_it_is_the_majorant_of_all_inferences_together():
    assert holevo(7, 12.0, 0.9, 0.01) == majorant_after(7, 12.0, 0.9, 0.01)
    assert holevo(7, 12.0, 0.9, 0.01) > holevo_mean(7, 12.0, 0.9, 0.01)
    assert holevo(0, 12.0, 0.9, 0.01) == 0
    assert holevo(1, np.ones((3, 1)), np.full(2, 0.5), 0.0).shape == (3, 2)
    assert holevo.theorem
