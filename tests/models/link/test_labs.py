"""Laboratories: every value has a source, and what is given replaces a value."""

import re
from pathlib import Path

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.labs import LABS, lab

PAGE = Path(__file__).parents[3] / "docs" / "design.md"


def test_the_ideal_lab_is_the_ideal_channel_and_the_default():
    assert next(iter(LABS)) == "ideal"
    assert lab("ideal").channel() == Channel()


@pytest.mark.parametrize("one", LABS.values(), ids=LABS)
def test_every_value_belongs_to_the_channel_and_has_a_source(one):
    assert one.settings.keys() == one.sources.keys()
    assert all(one.sources.values())
    flat = one.channel().as_settings()
    for name, value in one.settings.items():
        assert flat[name] == pytest.approx(value)


def test_what_is_given_replaces_a_value():
    real = lab("realistic")
    assert real.channel(excess_noise=0).excess_noise == 0
    assert real.channel(excess_noise=None).excess_noise == 1e-3
    assert real.channel(server_efficiency=0.5).server_detector.converter_range == 32
    # A way that is given replaces the loss of both, or 0.9 out could not be the whole way.
    assert real.channel(transmittance_out=0.9).transmittance == 0.9
    assert real.channel(transmittance=0.5).transmittance == pytest.approx(0.5)
    with pytest.raises(RangeError, match="excess noise = -1"):
        real.channel(excess_noise=-1)


def test_unknown_names():
    with pytest.raises(RangeError, match="lab = 'attic' is none of ideal, realistic"):
        lab("attic")


def test_the_page_shows_every_value():
    page = PAGE.read_text()
    for one in LABS.values():
        assert f"`{one.name}`" in page
    for name, value in lab("realistic").settings.items():
        (row,) = re.findall(rf"^\| `{name}` .*$", page, re.MULTILINE)
        assert f"| {value:.4g} |" in row, name
