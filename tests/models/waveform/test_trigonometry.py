"""Sine and cosine by the tangent of half the phase."""

import numpy as np
import pytest

from shotveil.models.waveform.trigonometry import sine_and_cosine


@pytest.mark.parametrize("turns", [1e-6, 0.5, 20.0])
def test_equals_sine_and_cosine(turns):
    phase = np.random.default_rng(1).uniform(-1, 1, (3, 4001)) * 2 * np.pi * turns
    sine, cosine = sine_and_cosine(phase)
    assert sine.shape == cosine.shape == phase.shape
    np.testing.assert_allclose(sine, np.sin(phase), rtol=0, atol=1e-15)
    np.testing.assert_allclose(cosine, np.cos(phase), rtol=0, atol=1e-15)


def test_holds_at_whole_half_and_quarter_turns():
    quarters = np.arange(-8, 9)
    sine, cosine = sine_and_cosine(quarters * (np.pi / 2))
    np.testing.assert_allclose(sine, [0, 1, 0, -1] * 4 + [0], rtol=0, atol=2e-15)
    np.testing.assert_allclose(cosine, [1, 0, -1, 0] * 4 + [1], rtol=0, atol=2e-15)
