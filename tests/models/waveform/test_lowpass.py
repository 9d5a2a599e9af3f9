import math

import numpy as np
import pytest

from shotveil.models.waveform.lowpass import Lowpass


@pytest.mark.parametrize("at", [1.0, 0.25])
def test_a_step_rises_exponentially_within_the_hold(at):
    time = np.arange(4) + at
    expected = 3 * (1 - np.exp(-2 * math.pi * 0.2 * time))
    np.testing.assert_allclose(Lowpass(0.2)(np.full((1, 4), 3.0), at), [expected])


def test_each_line_and_block_goes_on_from_where_it_was():
    values = np.random.default_rng(1).normal(size=(2, 100))
    whole = Lowpass(0.3)(values, 0.4)
    filtered = Lowpass(0.3)
    parts = [filtered(part, 0.4) for part in np.split(values, [1, 50], axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    (alone,) = Lowpass(0.3)(values[1:], 0.4)
    np.testing.assert_array_equal(alone, whole[1])


def test_without_a_limit_values_pass():
    values = np.ones((1, 3))
    assert Lowpass(math.inf)(values) is values and Lowpass(math.inf).decay == 0
    assert Lowpass(0.2).decay == pytest.approx(math.exp(-0.4 * math.pi))
