"""What an impairment says of itself."""

import math

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.waveform.impairment import Impairment, Place, Setting


@pytest.mark.parametrize(
    ("limits", "allowed", "refused"),
    [
        ({}, (-1e9, 0, 1e9), (math.inf, math.nan, "much")),
        ({"above": 0}, (1e-9,), (0, -1)),
        ({"at_least": 0}, (0,), (-1e-9,)),
        ({"below": 1}, (0.999,), (1,)),
        ({"at_most": 1}, (1,), (1.001,)),
        ({"integer": True}, (3,), (3.5,)),
        ({"endless": True, "above": 0}, (math.inf, 2), (-math.inf, 0, math.nan)),
        ({"pair": True, "below": 1}, ((0, 0.5), [0, 0]), ((0, 1), (1, 0), (0,), (0, 0, 0), 0)),
    ],
)
def test_a_value_is_held_to_what_the_setting_allows(limits, allowed, refused):
    setting = Setting("some", "a number", **limits)
    for value in allowed:
        setting.check(value)
    for value in refused:
        with pytest.raises(RangeError, match="some"):
            setting.check(value)


def test_what_is_not_said_is_usual():
    plain = Setting("some", "a number")
    assert plain.default == 0 and plain.realistic is None and plain.calibrated is None
    one = Impairment("one", (plain, Setting("other", "a number")))
    assert one.names == ("some", "other")
    assert one.distorts and one.budgeted and one.excess is None and not one.stages
    assert one.sweeps == ()


def test_places_are_in_the_order_of_the_light():
    assert [place.name for place in Place] == [
        "DRIVE", "MODULATED", "WAY_OUT", "WAY_BACK", "CLIENT_DETECTOR", "SERVER_DETECTOR",
    ]  # fmt: skip
