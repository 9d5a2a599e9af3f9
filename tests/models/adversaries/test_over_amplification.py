from dataclasses import replace

import pytest

from shotveil.models.adversaries.over_amplification import OVER_AMPLIFICATION, OverAmplifier
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link


def test_only_the_gain_is_another_one():
    link = Link(1.3, 6.0, transmittance_out=0.9, transmittance_back=0.8)
    client = OverAmplifier(2.5)
    assert client.link(link) == replace(link, gain=2.5)
    assert client.directions(3, 8) is None and client.bound == "row"


def test_it_says_what_it_is():
    assert OVER_AMPLIFICATION.of() == OverAmplifier(1.5)
    assert OVER_AMPLIFICATION.of(1.01) == OverAmplifier(1.01)
    assert OVER_AMPLIFICATION.covered_by == "holevo"
    assert OVER_AMPLIFICATION.strength.in_loop == 30
    with pytest.raises(RangeError, match="gain"):
        OVER_AMPLIFICATION.of(1)
    with pytest.raises(RangeError, match="gain"):
        OverAmplifier(1.0).link(Link(1.3, 6.0))
