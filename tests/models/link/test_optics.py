import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import (
    Detector,
    Link,
    inference_noise,
    noise_quantum,
    split_transmittance,
)


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


def test_link_figures():
    link = Link(1.3, 6, transmittance_out=0.8, transmittance_back=0.5, excess_noise=0.01)
    assert link.modulation_variance == 12
    assert link.transmittance == pytest.approx(0.4)
    assert link.f2 == pytest.approx(12 * 0.8 / 3.794872, rel=1e-6)
    assert link.declared_excess_noise(392) == pytest.approx(0.461538 / 392 + 0.01, rel=1e-6)
    assert link.returned_excess_noise(392) == pytest.approx(0.5 * 0.461538 / 392 + 0.01, rel=1e-6)


def test_with_f2_is_what_arrives():
    link = Link(1.1, 0, transmittance_out=0.7, client_detector=Detector(0.9, 0.05)).with_f2(2.4)
    assert link.f2 == pytest.approx(2.4)
    assert link.gain == 1.1 and link.transmittance_out == 0.7


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"gain": 1}, r"gain = 1 is outside \(1, ∞\)"),
        ({"photons": -1}, r"photons = -1 is outside \[0, 1e\+15\]"),
        ({"photons": 1e300}, r"photons = 1e\+300 is outside \[0, 1e\+15\]"),
        ({"transmittance_out": 0}, r"transmittance out = 0 is outside \(0, 1\]"),
        ({"transmittance_back": 1.1}, r"transmittance back = 1.1 is outside \(0, 1\]"),
        ({"excess_noise": -0.01}, r"excess noise = -0.01 is outside \[0, ∞\)"),
        ({"phase_error": 4}, r"phase error = 4 is outside"),
        ({"gain": float("nan")}, r"gain = nan is outside"),
    ],
)
def test_link_refuses(settings, message):
    with pytest.raises(RangeError, match=message):
        Link(**{"gain": 1.3, "photons": 6.0, **settings})


@pytest.mark.parametrize("arguments", [(0, 0), (1.2, 0), (0.9, -0.1)])
def test_detector_refuses(arguments):
    with pytest.raises(RangeError):
        Detector(*arguments)


@pytest.mark.parametrize(
    "given, both",
    [
        ((None, None, None), (1, 1)),
        ((0.25, None, None), (0.5, 0.5)),
        ((0.25, 0.5, None), (0.5, 0.5)),
        ((0.25, None, 0.25), (1, 0.25)),
        ((None, 0.7, None), (0.7, 1)),
        ((None, None, 0.7), (1, 0.7)),
        ((None, 0.7, 0.5), (0.7, 0.5)),
        ((0.35, 0.7, 0.5), (0.7, 0.5)),
    ],
)
def test_split_transmittance(given, both):
    np.testing.assert_allclose(split_transmittance(*given), both)


@pytest.mark.parametrize(
    "given, message",
    [
        ((0.5, 0.4, None), r"transmittance out = 0.4 is outside \[0.5, 1\]"),
        ((0.5, None, 0.4), r"transmittance back = 0.4 is outside \[0.5, 1\]"),
        ((0.5, 0.9, 0.9), "is not 0.9 × 0.9"),
        ((1.5, None, None), r"transmittance = 1.5 is outside \(0, 1\]"),
    ],
)
def test_split_transmittance_refuses(given, message):
    with pytest.raises(RangeError, match=message):
        split_transmittance(*given)
