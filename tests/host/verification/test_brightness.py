"""The client's check of brightness: loud light is refused, honest light never."""

import math

import numpy as np
import pytest

from shotveil.host.verification.brightness import BrightnessCheck
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector

CHANNEL = Channel(transmittance_out=0.8, client_detector=Detector(0.9, 0.1))


def check(photons=6.0, gain=1.3, level=1e-6):
    return BrightnessCheck(CHANNEL, [gain], [photons], level)


def layer(rng, photons, gain=1.3, alike=False, slots=200, checks=5):
    """Readings of a layer's checks in a random direction."""
    shape = 1 if alike else slots
    mean = CHANNEL.signal_at(gain) * math.sqrt(2 * photons) * rng.standard_normal(shape)
    noise = math.sqrt(CHANNEL.inference_variance_at(gain)) * rng.standard_normal((checks, slots))
    readings = mean + noise
    return float(np.sum(readings**2)), readings.size


@pytest.mark.parametrize("gain", [1.000873, 1.3, 3.0])
def test_light_as_declared_shows_its_photon_number(gain):
    rng, one = np.random.default_rng(1), check(gain=gain)
    assert math.isnan(one.ratio)
    for _ in range(300):
        assert one.add(*layer(rng, 6.0, gain), 0) == ""
    assert one.ratio == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("gain, photons", [(1.000873, 391.2), (1.3, 6.0)])
def test_light_ten_thousand_times_too_bright_is_refused_at_once(gain, photons):
    one = check(photons, gain)
    said = one.add(*layer(np.random.default_rng(2), 1e4 * photons, gain), 0)
    assert "times as bright in the checks as its photon number says" in said


def test_twice_the_light_is_refused_in_time():
    rng, one = np.random.default_rng(3), check()
    layers = next(n for n in range(1000) if one.add(*layer(rng, 12.0), 0))
    assert layers < 400


@pytest.mark.parametrize("alike", [False, True])
def test_false_alarms_stay_below_their_level(alike):
    """Rows that are all alike fluctuate most: E then has a mean of 1, and never more."""
    rng, alarms = np.random.default_rng(4), 0
    for _ in range(200):
        one = check(level=0.05)
        few = {"alike": alike, "slots": 5, "checks": 2}
        alarms += any(one.add(*layer(rng, 6.0, **few), 0) for _ in range(25))
    assert alarms <= 200 * 0.05 + 3 * math.sqrt(200 * 0.05)


def test_each_layer_has_its_own_light():
    one = BrightnessCheck(CHANNEL, [1.3, 2.0], [6.0, 60.0])
    rng = np.random.default_rng(5)
    assert one.add(*layer(rng, 6.0, 1.3), 0) == one.add(*layer(rng, 60.0, 2.0), 1) == ""
    assert one.ratio == pytest.approx(1, abs=0.2)
    for level in (0, 1):
        with pytest.raises(RangeError, match=f"false alarm probability = {level}"):
            check(level=level)
