"""Voltages become ADC words: step, offset, noise, settling and ends."""

import math

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.waveform.detector import SampledDetector
from shotveil.models.waveform.lowpass import Lowpass

SPEC = DigitiserSpec()


def detector(bandwidth=math.inf, noise=0.0, step=100.0, offset=0.0, spec=SPEC, seed=1):
    return SampledDetector(spec, bandwidth, noise, step, offset, np.random.default_rng(seed))


def signed(words, bits=14):
    half = 1 << (bits - 1)
    assert words.min() >= 0 and words.max() < 2 * half
    return ((words + half) & (2 * half - 1)) - half


def test_voltages_are_rounded_to_steps_and_end_at_the_converters_ends():
    volts = np.array([[0.004, 0.006, -0.006, 81.914, 90.0], [-90.0, -81.92, 1, 2, 3.456]])
    words = signed(detector()(volts))
    assert words.tolist() == [[0, 1, -1, 8191, 8191], [-8192, -8192, 100, 200, 346]]
    assert signed(detector(offset=7.0)(np.zeros((2, 3)))).tolist() == [[7] * 3] * 2
    ten = detector(spec=DigitiserSpec(adc_bits=10))
    assert signed(ten(np.array([[9.0, -9.0]])), 10).tolist() == [[511, -512]]


def test_electronic_noise_is_in_units_of_the_vacuum_and_streams():
    n = 100_000
    words = signed(detector(noise=0.25, step=200)(np.zeros((2, n))))
    np.testing.assert_allclose((words / 200.0).var(axis=1), 0.25, rtol=5 * math.sqrt(2 / n))
    assert abs(np.corrcoef(words)[0, 1]) < 5 / math.sqrt(n)
    volts = np.random.default_rng(2).normal(size=(2, 60))
    whole = detector(0.3, 0.25)(volts)
    stream = detector(0.3, 0.25)
    parts = [stream(part) for part in np.split(volts, [1, 10], axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_it_settles_with_one_pole():
    volts = np.random.default_rng(3).normal(size=(1, 40))
    due = np.rint(Lowpass(0.2)(volts) * 100)
    np.testing.assert_array_equal(signed(detector(0.2)(volts)), due)


def test_a_step_is_positive():
    for step in (0, -1):
        with pytest.raises(RangeError, match=r"step = "):
            detector(step=step)
