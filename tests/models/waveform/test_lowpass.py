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


@pytest.mark.parametrize("at", [0.25, 1.0])
def test_a_step_settles_exponentially(at):
    step = np.array([0.0, 0, 1, 1, 1, 1])
    seen = Lowpass(0.2)(step, at)
    time = np.maximum(np.arange(6) - 2 + at, 0)
    np.testing.assert_allclose(seen, 1 - np.exp(-2 * np.pi * 0.2 * time), atol=1e-12)


def test_pieces_and_lines_do_not_matter():
    given = np.random.default_rng(1).normal(size=(2, 50))
    for at in (0.5, 1.0):
        whole = Lowpass(0.1)(given, at)
        stream = Lowpass(0.1)
        parts = [stream(part, at) for part in np.split(given, [1, 7, 30], axis=1)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
        np.testing.assert_array_equal(Lowpass(0.1)(given[1], at), whole[1])


def test_half_of_the_power_is_left_at_its_bandwidth():
    n = np.arange(4000)
    tone = np.cos(2 * np.pi * 0.01 * n)
    # Far below the sample rate, a hold is no filter of its own.
    seen = Lowpass(0.01)(tone)[2000:]
    assert np.mean(seen**2) / np.mean(tone[2000:] ** 2) == pytest.approx(0.5, rel=0.01)


def test_no_limit_leaves_samples_as_they_are():
    given = np.array([1.0, -2, 3])
    assert Lowpass(math.inf)(given) is given
    assert Lowpass(math.inf).decay == 0 and Lowpass(0.5).decay == math.exp(-math.pi)


def test_unless_told_otherwise_it_gives_the_end_of_each_hold():
    given = np.random.default_rng(2).normal(size=20)
    np.testing.assert_array_equal(Lowpass(0.1)(given), Lowpass(0.1)(given, 1.0))
