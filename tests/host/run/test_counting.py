"""Wilson intervals: the defining equation, the edges, and how often they hold the truth."""

import numpy as np
import pytest

from shotveil.host.run.counting import wilson
from shotveil.models.common.checks import RangeError


def test_the_ends_are_as_many_errors_away_as_asked():
    for share, trials, errors in ((0.75, 8, 1.0), (0.993, 10_000, 1.0), (0.2, 30, 3.0)):
        for end in wilson(share, trials, errors):
            assert abs(share - end) == pytest.approx(errors * np.sqrt(end * (1 - end) / trials))


def test_few_trials_are_never_certain():
    assert wilson([0.0, 1.0], 2).tolist() == [[0, pytest.approx(2 / 3)], [pytest.approx(1 / 3), 1]]
    low, high = wilson(0.99, 10_000)
    assert high - low == pytest.approx(2 * np.sqrt(0.99 * 0.01 / 10_000), rel=2e-3)
    for wrong in ((1.1, 5), (0.5, 0)):
        with pytest.raises(RangeError):
            wilson(*wrong)
