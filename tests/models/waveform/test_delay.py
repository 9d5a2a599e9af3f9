"""A delay gives back what it took, later, in whatever pieces."""

import numpy as np
import pytest

from shotveil.models.waveform.delay import Delay


@pytest.mark.parametrize("samples", [0, 1, 5, 30])
def test_samples_come_later_in_whatever_pieces(samples):
    given = np.arange(1.0, 41).reshape(2, 20)
    whole = Delay(samples)(given)
    due = np.concatenate([np.zeros((2, samples)), given], axis=1)[:, :20]
    np.testing.assert_array_equal(whole, due)
    delay = Delay(samples)
    parts = [delay(part) for part in np.split(given, [1, 2, 9], axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), due)
    assert Delay(2)(np.array([1j, 2])).dtype == np.complex128
