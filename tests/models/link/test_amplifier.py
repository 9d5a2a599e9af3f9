import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from shotveil.models.common.checks import RangeError
from shotveil.models.link.amplifier import inference_noise, noise_quantum, require_gain


@pytest.mark.parametrize("gain, noise", [(1.3, 3.79487), (2, 2), (2 + math.sqrt(2), 1.82843)])
def test_inference_noise_of_ideal_detector(gain, noise):
    assert inference_noise(gain) == pytest.approx(noise, abs=5e-6)


def test_inference_noise_is_smallest_at_two_plus_root_two():
    best = minimize_scalar(inference_noise, bounds=(1.5, 10), method="bounded")
    assert best.x == pytest.approx(2 + math.sqrt(2), abs=1e-4)


def test_detector_adds_its_input_referred_noise_to_what_the_tap_gives():
    # 80 % efficiency: vacuum (1−η)/η = 0.25; 0.1 SNU electronic: 0.125. Both over G − 1.
    extra = inference_noise(1.3, 0.8, 0.1) - inference_noise(1.3)
    assert extra == pytest.approx((0.25 + 0.125) / 0.3)


def test_noise_quantum():
    assert noise_quantum(1.3) == pytest.approx(0.461538, abs=5e-7)
    assert noise_quantum(2.0) == 1


@pytest.mark.parametrize("function", [noise_quantum, inference_noise])
def test_arrays_and_ranges(function):
    gains = np.array([1.01, 2.0, 50.0])
    np.testing.assert_allclose(function(gains), [function(float(gain)) for gain in gains])
    for gain in (1, 0.5, np.array([2.0, 1.0])):
        with pytest.raises(RangeError, match=r"is outside \(1, 1e\+06\]"):
            function(gain)


def test_a_gain_is_named_as_its_place_calls_it():
    require_gain([1.3, 1e6])
    with pytest.raises(RangeError, match=r"^max gain = 1e\+300 is outside \(1, 1e\+06\]$"):
        require_gain(1e300, "max gain")
