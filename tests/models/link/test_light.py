"""The light of a network: one link for all layers, or one for each."""

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.link.light import light_through, links_of, one_or_each
from shotveil.models.link.optics import Link

LOSSY = Channel(transmittance_out=0.5, client_detector=Detector(0.9, 0.1))


def test_a_link_stands_for_all_layers():
    link = Link(1.3, 6.0)
    assert links_of(link, 3) == (link, link, link)
    assert links_of([link, Link(1.1, 50.0)], 2) == (link, Link(1.1, 50.0))


def test_a_wrong_number_of_links_is_refused():
    for number in (1, 3):
        with pytest.raises(RangeError, match=f"given for 2 layers; allowed: for {number}"):
            links_of((Link(1.3, 6.0), Link(1.1, 6.0)), number)


@pytest.mark.parametrize(
    "other",
    [
        {"transmittance_out": 0.9},
        {"transmittance_back": 0.9},
        {"phase_error": 0.1},
        {"client_detector": Detector(0.9)},
    ],
)
def test_layers_share_one_fibre(other):
    with pytest.raises(RangeError, match="differs from layer to layer"):
        links_of([Link(1.3, 6.0), Link(1.3, 6.0, **other)], 2)
    own = Link(1.1, 9.0, excess_noise=0.1, server_detector=Detector(0.5))
    assert links_of([Link(1.3, 6.0), own], 2)[1] is own  # what the server declares of its own side


def test_numbers_hold_for_all_layers_and_sequences_for_each():
    assert light_through(LOSSY, 1.3, photons=6.0) == Link.through(LOSSY, 1.3, photons=6.0)
    assert light_through(LOSSY, (1.3, 1.1), f2=2.0) == (
        Link.through(LOSSY, 1.3, f2=2.0),
        Link.through(LOSSY, 1.1, f2=2.0),
    )
    assert [link.photons for link in light_through(LOSSY, 1.3, photons=[1.0, 64.0])] == [1, 64]
    with pytest.raises(RangeError, match="given for 2 and 3 layers"):
        light_through(LOSSY, (1.3, 1.1), photons=(1.0, 2.0, 3.0))
    with pytest.raises(RangeError, match="neither of photons and f2"):
        light_through(LOSSY, (1.3, 1.1))


def test_what_layers_share_is_told_once():
    assert one_or_each([1.3, 1.3]) == 1.3 and one_or_each([1.3, 1.1]) == [1.3, 1.1]
