"""The link: its light, and that all else is its channel's."""

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.optics import MOST_PHOTONS, Link


def test_link_figures():
    link = Link(1.3, 6, transmittance_out=0.8, transmittance_back=0.5, excess_noise=0.01)
    assert link.modulation_variance == 12
    assert link.noise_quantum == pytest.approx(0.461538, abs=5e-7)
    assert link.transmittance == pytest.approx(0.4)
    assert link.f2 == pytest.approx(12 * 0.8 / 3.794872, rel=1e-6)
    assert link.declared_excess_noise(392) == pytest.approx(0.461538 / 392 + 0.01, rel=1e-6)
    assert link.returned_excess_noise(392) == pytest.approx(0.5 * 0.461538 / 392 + 0.01, rel=1e-6)


def test_it_is_its_channel_at_its_gain_and_light():
    channel = Channel(transmittance_out=0.7, phase_error=0.2, client_detector=Detector(0.9, 0.05))
    link = Link.through(channel, 1.4, photons=3.0)
    assert isinstance(link, Channel) and link.coherence == channel.coherence
    assert link.inference_noise == channel.inference_noise_at(1.4)
    assert link.f2 == channel.f2_at(1.4, 3.0)
    assert link.inference_scale(2.0) == channel.inference_scale_at(1.4, 2.0)
    assert link.declared_excess_noise(5) == channel.declared_excess_noise_at(1.4, 3.0, 5)
    assert link.returned_excess_noise(5) == channel.returned_excess_noise_at(1.4, 3.0, 5)


def test_light_is_given_as_photons_or_as_what_arrives():
    channel = Channel(transmittance_out=0.7, client_detector=Detector(0.9, 0.05))
    assert Link.through(channel, 1.1, photons=2.0).photons == 2
    link = Link.through(channel, 1.1, f2=2.4)
    assert link.f2 == pytest.approx(2.4) and link.gain == 1.1 and link.transmittance_out == 0.7
    assert Link.through(link, 1.2, photons=2.0) == Link.through(channel, 1.2, photons=2.0)
    again = link.with_f2(1.2)
    assert again.f2 == pytest.approx(1.2) and again.gain == 1.1
    assert Link.through(channel, 1.1, f2=0.0).photons == 0
    for given, word in (({}, "neither"), ({"photons": 1.0, "f2": 1.0}, "both")):
        with pytest.raises(RangeError, match=f"{word} of photons and f2 given"):
            Link.through(channel, 1.1, **given)
    with pytest.raises(RangeError, match="F² = -1 is outside"):
        Link.through(channel, 1.1, f2=-1.0)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"gain": 1}, r"gain = 1 is outside \(1, 1e\+06\]"),
        ({"photons": -1}, r"photons = -1 is outside \[0, 1e\+15\]"),
        ({"photons": 1e300}, r"photons = 1e\+300 is outside \[0, 1e\+15\]"),
        ({"transmittance_out": 0}, r"transmittance out = 0 is outside \(0, 1\]"),
        ({"excess_noise": -0.01}, r"excess noise = -0.01 is outside \[0, 1e\+06\]"),
        ({"gain": 1e300}, r"gain = 1e\+300 is outside"),
        ({"gain": float("nan")}, r"gain = nan is outside"),
    ],
)
def test_link_refuses(settings, message):
    with pytest.raises(RangeError, match=message):
        Link(**{"gain": 1.3, "photons": 6.0, **settings})


def test_both_ends_of_the_range_of_photons():
    assert MOST_PHOTONS == 1e15
    assert Link(1.3, 0).photons == 0 and Link(1.3, MOST_PHOTONS).photons == MOST_PHOTONS


def test_gain_and_photons_have_to_be_given():
    with pytest.raises(TypeError, match="'gain' and 'photons'"):
        Link()
