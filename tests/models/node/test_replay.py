"""Which frame that arrives is which that was sent."""

import numpy as np
import pytest

from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.node import replay
from shotveil.models.node.replay import Flights

SENT = np.array([100, 200, 300, 400])


def matched(received, lead_in=0, delay=1000, half=50, end=None):
    flights = replay.model(SENT, received, lead_in, delay, half, end)
    return flights.belongs.tolist(), flights.missed


def test_frames_on_time_are_theirs():
    assert matched([1100, 1200, 1300, 1400]) == ([0, 1, 2, 3], 0)
    assert matched([1130, 1170, 1349, 1351]) == ([0, 1, 2, 3], 0)


def test_the_window_is_half_open():
    # From delay − half on, and up to but without delay + half.
    assert matched([1049], end=1049)[0] == [-1]
    assert matched([1050], end=1050)[0] == [0]
    assert matched([1149], end=1149) == ([0], 0)
    assert matched([1150], end=1150) == ([1], 1)


def test_lost_frames_are_missed_and_strays_belong_to_none():
    assert matched([1100, 1300]) == ([0, 2], 2)
    assert matched([1100, 1105, 1200]) == ([0, -1, 1], 2)
    assert matched([50, 1100]) == ([-1, 0], 3)
    assert matched([], end=1349) == ([], 2)
    assert matched([]) == ([], 4)
    assert matched([1100, 1200, 1300, 1400, 1500]) == ([0, 1, 2, 3, -1], 0)


def test_lead_in_frames_are_told_apart_from_none_and_never_missed():
    assert matched([1100, 1200, 1300, 1400], lead_in=2) == ([-1, -1, 2, 3], 0)
    assert matched([1200, 1400], lead_in=2) == ([-1, 3], 1)
    assert matched([], lead_in=3) == ([], 1)


def test_nothing_arrives_before_it_left():
    assert matched([99], delay=0, half=50, end=99) == ([-1], 0)
    assert matched([100], delay=0, half=50, end=100) == ([0], 0)


@pytest.mark.parametrize("delay", [192, 300])
def test_times_of_the_receiver(delay):
    spec, settings = DigitiserSpec(delay=delay), DigitiserSettings()
    assert replay.latency(spec) == 64 + delay + 16
    assert replay.window(spec, settings, 77) == (77 + 64 + delay + 16, settings.period // 2)
    # The first symbol behind the preamble starts 64 samples after the frame's: the two agree.
    starts = np.array([64, 1000])
    assert replay.arrivals(spec, starts).tolist() == [64 + delay + 16, 1000 + delay + 16]
    assert replay.arrivals(spec, [64])[0] == replay.latency(spec)
    assert (replay.TIME_BITS, replay.FLIGHTS, replay.DECISION) == (28, 64, 4)


def test_values_cannot_be_changed_once_they_are_checked():
    assert Flights.__dataclass_params__.frozen
