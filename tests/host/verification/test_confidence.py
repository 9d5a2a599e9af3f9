"""Limits that hold at all times: for honest light, for a tap, and for noise in one direction."""

import math

import numpy as np
import pytest

from shotveil.host.adversaries.detection import Record, session_sums
from shotveil.host.leakage.certificate import ChannelEstimate, certified_channel
from shotveil.host.verification.confidence import channel_at_any_time, worse
from shotveil.host.verification.evidence import HonestNoise
from shotveil.models.common.checks import RangeError
from shotveil.models.link.detector import Detector
from shotveil.models.link.optics import Link
from shotveil.models.link.statistics import SymbolStatistics

MODES, V_A = 50, 12.0


def drawn(rng, noise, modulation_variance, rows, clients):
    return session_sums(rng, noise, Record(noise, noise), modulation_variance, rows, clients)


@pytest.mark.parametrize("spread", [1, 50])
@pytest.mark.parametrize("efficiency, drift", [(1.0, 0.0), (0.7, 1e-3)])
def test_the_limits_hold_at_all_times_together(spread, efficiency, drift):
    """Ten thousand clients are looked at after each of 40 amounts of light; δ = 0.1."""
    rng = np.random.default_rng(spread)
    receiver = Detector(efficiency, 0.05, shot_noise_drift=drift)
    clients, transmittance, excess, delta = 10_000, 0.95, 0.02, 0.1
    slope, white = math.sqrt(efficiency * transmittance), 1.05
    record = efficiency * excess * MODES  # of a row, in `spread` directions alike
    even = spread == MODES
    white, spike = (white + record / MODES, 0.0) if even else (white, record)
    noise = HonestNoise(MODES, slope, white, spike)
    total, wrong = SymbolStatistics(0, 0.0, 0.0, 0.0), np.zeros(clients, bool)
    for rows in np.unique(np.geomspace(1, 3000, 40).astype(int)):
        total += drawn(rng, noise, V_A, int(rows), clients)
        found = channel_at_any_time(total, receiver, MODES, V_A, delta)
        wrong |= (found.transmittance > transmittance) | (found.excess_noise < excess)
    assert wrong.mean() <= delta
    # They are of use as well: at the end not far from the truth.
    assert np.median(found.transmittance) > transmittance - 0.01
    assert np.median(found.excess_noise) < excess + 0.02


def test_they_are_near_the_limits_of_a_single_look():
    """For all times and for any direction of the noise they are little wider where it matters."""
    rng = np.random.default_rng(2)
    link = Link(1.000873, 391.2)
    noise = HonestNoise.declared(link, 392)
    for rows in (2000, 30_000, 2_000_000):
        sums = drawn(rng, noise, link.modulation_variance, rows, 20)
        always = channel_at_any_time(sums, Detector(), 392, link.modulation_variance, 1e-10)
        once = certified_channel(sums, Detector(), 1e-10)
        assert np.median(always.excess_noise / once.excess_noise) < 1.34
        assert np.median((1 - always.transmittance) / (1 - once.transmittance)) < 3


def test_a_change_after_a_good_record_shows_in_the_mean():
    """The mean of all light so far is bounded, so trust that was earned does not stay."""
    rng = np.random.default_rng(3)
    good, bad = HonestNoise(MODES, 1.0, 1.0, 0.0), HonestNoise(MODES, math.sqrt(0.9), 1.0, 0.0)
    before = drawn(rng, good, V_A, 20_000, 100)
    after = before + drawn(rng, bad, V_A, 20_000, 100)
    found = channel_at_any_time(after, Detector(), MODES, V_A, 1e-6)
    mean = ((1 + math.sqrt(0.9)) / 2) ** 2
    assert (found.transmittance < mean).all() and np.median(found.transmittance) > mean - 0.01


def test_where_there_is_no_light_nothing_is_known():
    counts = np.array([0, 500, 500])
    sums = SymbolStatistics(counts, [0.0, 0.0, 6000.0], [0.0, 0.0, 0.0], [0.0, 500.0, 500.0])
    found = channel_at_any_time(sums, Detector(), MODES, V_A, 1e-3)
    assert found.transmittance.tolist() == [0, 0, 0]
    assert found.excess_noise[:2].tolist() == [math.inf] * 2
    single = channel_at_any_time(
        SymbolStatistics(50, 600.0, 600.0, 650.0), Detector(), 50, 12.0, 0.1
    )
    assert single.transmittance == 0 and single.excess_noise > 10, "one row says next to nothing"


@pytest.mark.parametrize(
    "modes, variance, delta",
    [(0, 1.0, 0.1), (1.5, 1.0, 0.1), (5, 0.0, 0.1), (5, 1.0, 0.0), (5, 1.0, 1.0)],
)
def test_values_out_of_range_are_refused(modes, variance, delta):
    with pytest.raises(RangeError):
        channel_at_any_time(SymbolStatistics(5, 1.0, 1.0, 2.0), Detector(), modes, variance, delta)


def test_a_row_may_be_a_single_mode():
    found = channel_at_any_time(
        SymbolStatistics(10**6, 1.2e7, 1.2e7, 1.3e7), Detector(), 1, 12.0, 0.1
    )
    assert 0.9 < found.transmittance < 1 and 0 < found.excess_noise < 0.1


def test_the_worse_of_two_is_worse_in_each():
    one, other = ChannelEstimate(0.9, 0.1), ChannelEstimate(0.8, 0.05)
    assert worse(one, other) == worse(other, one) == (0.8, 0.1)
