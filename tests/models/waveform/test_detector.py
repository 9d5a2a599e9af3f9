"""Voltages to ADC words: steps, offset, noise, bandwidth, and ends that hold."""

import math

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.waveform.detector import SampledDetector
from shotveil.models.waveform.lowpass import Lowpass

SPEC = DigitiserSpec(quadratures=2)


def detector(bandwidth=math.inf, noise=0.0, step=100.0, offset=0.0, seed=1):
    return SampledDetector(SPEC, bandwidth, noise, step, offset, np.random.default_rng(seed))


def signed(words):
    assert words.min() >= 0 and words.max() < 1 << 14
    return ((words + 8192) % 16384) - 8192


def test_words_are_twos_complement_of_rounded_steps():
    voltage = np.array([[0.0, 0.014, -0.016, 1.0], [-1.0, 0.006, 0.0, 0.0]])
    words = detector()(voltage)
    assert words.tolist() == [[0, 1, 16382, 100], [16284, 1, 0, 0]]


def test_the_converter_holds_at_its_ends():
    assert signed(detector()(np.array([[81.91, 81.92, 1e4]]))).tolist() == [[8191] * 3]
    assert signed(detector()(np.array([[-81.92, -81.93, -1e4]]))).tolist() == [[-8192] * 3]


def test_the_offset_is_in_steps():
    assert signed(detector(offset=-7.4)(np.array([[1.0]]))) == 93


def test_electronics_add_their_noise_to_each_line():
    words = signed(detector(noise=0.25)(np.zeros((2, 100_000)))) / 100
    assert words.var(axis=1) == pytest.approx([0.25, 0.25], rel=0.02)
    assert abs(np.mean(words[0] * words[1])) < 0.005


def test_it_settles_and_blocks_do_not_matter():
    step = np.ones((1, 3))
    expected = np.rint(100 * (1 - np.exp(-2 * math.pi * 0.1 * np.arange(1, 4))))
    np.testing.assert_array_equal(detector(bandwidth=0.1)(step)[0], expected)
    voltage = np.random.default_rng(2).normal(size=(2, 500))
    streaming = detector(0.3, 0.1, 50.0, 2.0)
    parts = [streaming(part) for part in np.split(voltage, [1, 100], axis=1)]
    whole = detector(0.3, 0.1, 50.0, 2.0)(voltage)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_a_step_is_more_than_nothing():
    with pytest.raises(RangeError, match="step"):
        detector(step=0.0)


SPEC_2 = DigitiserSpec()


def detector_too(bandwidth=math.inf, noise=0.0, step=100.0, offset=0.0, spec=SPEC_2, seed=1):
    return SampledDetector(spec, bandwidth, noise, step, offset, np.random.default_rng(seed))


def signed_too(words, bits=14):
    half = 1 << (bits - 1)
    assert words.min() >= 0 and words.max() < 2 * half
    return ((words + half) & (2 * half - 1)) - half


def test_voltages_are_rounded_to_steps_and_end_at_the_converters_ends():
    volts = np.array([[0.004, 0.006, -0.006, 81.914, 90.0], [-90.0, -81.92, 1, 2, 3.456]])
    words = signed_too(detector_too()(volts))
    assert words.tolist() == [[0, 1, -1, 8191, 8191], [-8192, -8192, 100, 200, 346]]
    assert signed_too(detector_too(offset=7.0)(np.zeros((2, 3)))).tolist() == [[7] * 3] * 2
    ten = detector_too(spec=DigitiserSpec(adc_bits=10))
    assert signed_too(ten(np.array([[9.0, -9.0]])), 10).tolist() == [[511, -512]]


def test_electronic_noise_is_in_units_of_the_vacuum_and_streams():
    n = 100_000
    words = signed_too(detector_too(noise=0.25, step=200)(np.zeros((2, n))))
    np.testing.assert_allclose((words / 200.0).var(axis=1), 0.25, rtol=5 * math.sqrt(2 / n))
    assert abs(np.corrcoef(words)[0, 1]) < 5 / math.sqrt(n)
    volts = np.random.default_rng(2).normal(size=(2, 60))
    whole = detector_too(0.3, 0.25)(volts)
    stream = detector_too(0.3, 0.25)
    parts = [stream(part) for part in np.split(volts, [1, 10], axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_it_settles_with_one_pole():
    volts = np.random.default_rng(3).normal(size=(1, 40))
    due = np.rint(Lowpass(0.2)(volts) * 100)
    np.testing.assert_array_equal(signed_too(detector_too(0.2)(volts)), due)


def test_a_step_is_positive():
    for step in (0, -1):
        with pytest.raises(RangeError, match=r"step = "):
            detector_too(step=step)
