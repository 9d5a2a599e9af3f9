"""Limits and tests from finite data, by Monte Carlo over whole sessions of symbols."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from shotveil.host.leakage.certificate import (
    ChannelEstimate,
    certified_channel,
    estimated_channel,
    excess_noise_above,
    noise_variance_max,
    slope_min,
    standard_errors,
    transmittance_below,
)
from shotveil.host.leakage.weights import holevo_per_mode
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector
from shotveil.models.link.statistics import SymbolStatistics

RECEIVER = Detector(efficiency=0.85, electronic_noise=0.1)
TRUE = ChannelEstimate(0.7, 0.02)
MODULATION = 12.0


def sessions(rng, number, symbols, channel=TRUE, receiver=RECEIVER):
    """Statistics of `number` sessions of symbols through the channel into the receiver."""
    q = rng.normal(0, np.sqrt(MODULATION), size=(number, symbols))
    spread = np.sqrt(receiver.noise_variance(channel.excess_noise))
    y = receiver.slope(channel.transmittance) * q + spread * rng.normal(size=q.shape)
    return SymbolStatistics.of(q, y, axis=1)


@pytest.fixture(scope="module")
def many():
    return sessions(np.random.default_rng(21), 20_000, 200)


def as_stated(failures, probability):
    """Whether a count of failures is what a probability gives, within 1e-4 on either side."""
    low, high = binom.ppf([1e-4, 1 - 1e-4], failures.size, probability)
    return low <= failures.sum() <= high


@pytest.mark.parametrize("probability", [0.2, 0.01])
def test_each_limit_fails_as_often_as_stated(many, probability):
    t = RECEIVER.slope(TRUE.transmittance)
    variance = RECEIVER.noise_variance(TRUE.excess_noise)
    assert as_stated(slope_min(many, probability) > t, probability)
    assert as_stated(noise_variance_max(many, probability) < variance, probability)


def test_limits_are_exact_for_few_symbols():
    """With 5 symbols the normal distribution would fail three times too often at 1 %."""
    few = sessions(np.random.default_rng(22), 100_000, 5)
    assert as_stated(slope_min(few, 0.01) > RECEIVER.slope(TRUE.transmittance), 0.01)
    assert as_stated(noise_variance_max(few, 0.01) < RECEIVER.noise_variance(0.02), 0.01)


def test_certified_channel_holds_both_limits(many):
    certified = certified_channel(many, RECEIVER, 0.02)
    wrong = (certified.transmittance > TRUE.transmittance) | (
        certified.excess_noise < TRUE.excess_noise
    )
    assert as_stated(wrong, 1 - 0.99**2)  # the two limits are independent
    certified_bits = holevo_per_mode(13, *certified.nearest_physical())
    assert binom.sf((certified_bits < holevo_per_mode(13, *TRUE)).sum(), 20_000, 0.02) > 0.5


def test_estimates_and_standard_errors(many):
    estimated = estimated_channel(many, RECEIVER)
    errors = standard_errors(many, RECEIVER)
    for values, error, true, bias in zip(
        estimated,
        errors,
        TRUE,
        # t̂² is too large by the variance of t̂; σ̂² divides by m where m − 1 would be unbiased.
        (np.mean(errors[0] ** 2) / 4 / TRUE.transmittance, -1.117 / 0.85 / 200),
        strict=True,
    ):
        scatter = values.std()
        assert values.mean() - bias == pytest.approx(true, abs=4 * scatter / np.sqrt(20_000))
        assert error.mean() == pytest.approx(scatter, rel=0.03)
    assert (estimated.excess_noise < 0).any()  # not clipped


@pytest.mark.parametrize("level", [0.1, 0.01])
def test_false_alarms_as_stated(many, level):
    assert as_stated(transmittance_below(many, RECEIVER, TRUE.transmittance, level), level)
    assert as_stated(excess_noise_above(many, RECEIVER, TRUE.excess_noise, level), level)


def test_a_layer_of_784_by_784_certifies_little():
    """One layer at δ = 1e-10: ε ≤ 0.018, T ≥ 0.993, 0.7 bit per mode where 0.065 is declared."""
    m, excess = 784 * 392, 6 / 13 / 392
    assert m == 307_328
    typical = SymbolStatistics(m, m * 12.0, m * 12.0, m * (13 + excess))  # t̂ = 1, σ̂² = 1 + ε
    certified = certified_channel(typical, Detector(), 1e-10)
    assert certified.transmittance == pytest.approx(0.99327, abs=5e-6)
    assert certified.excess_noise == pytest.approx(0.01788, abs=5e-6)
    assert holevo_per_mode(13, *certified) == pytest.approx(0.6925, abs=5e-5)
    assert holevo_per_mode(13, 1, excess) == pytest.approx(0.0651, abs=5e-5)
    # The large-sample form of the limit of t; Student's t differs by 4e-5 of the distance.
    quantile = float(mp.sqrt(2) * mp.erfinv(1 - mp.mpf("1e-10")))
    normal = 1 - quantile * np.sqrt((1 + excess) / (m * 12))
    assert slope_min(typical, 5e-11) == pytest.approx(normal, abs=2e-7)


def test_symbols_for_a_thousandth_of_a_shot_noise_unit():
    m, excess = 8e7, 6 / 13 / 392
    typical = SymbolStatistics(m, m * 12.0, m * 12.0, m * (13 + excess))
    certified = certified_channel(typical, Detector(), 1e-10)
    assert certified.excess_noise - excess == pytest.approx(1.0e-3, rel=0.05)


def test_nearest_physical_channel():
    nearest = ChannelEstimate(
        np.array([1.01, 0.9, -0.2]), np.array([-0.01, 0.02, 0.1])
    ).nearest_physical()
    np.testing.assert_array_equal(nearest.transmittance, [1, 0.9, 0])
    np.testing.assert_array_equal(nearest.excess_noise, [0, 0.02, 0.1])


def test_a_drift_of_the_unit_is_taken_at_its_worst():
    """A record in a unit that is off by κ looks brighter by 1 + κ, or quieter by 1 − κ."""
    kappa, few = 0.01, sessions(np.random.default_rng(23), 300, 400)
    drifting = Detector(RECEIVER.efficiency, RECEIVER.electronic_noise, shot_noise_drift=kappa)
    still, found = (certified_channel(few, r, 0.02) for r in (RECEIVER, drifting))
    np.testing.assert_allclose(found.transmittance, still.transmittance / (1 + kappa))
    quiet = RECEIVER.noise_variance(still.excess_noise) / (1 - kappa)
    np.testing.assert_allclose(RECEIVER.noise_variance(found.excess_noise), quiet)
    declared = 0.72
    below = transmittance_below(few, drifting, declared, 0.05)
    expected = transmittance_below(few, RECEIVER, declared * (1 + kappa), 0.05)
    np.testing.assert_array_equal(below, expected)
    assert (below != transmittance_below(few, RECEIVER, declared, 0.05)).any()


def test_sign_of_the_slope_is_kept():
    turned = SymbolStatistics(100, 1200.0, -1000.0, 1000.0)
    assert estimated_channel(turned, Detector()).transmittance == pytest.approx(-((10 / 12) ** 2))
    assert certified_channel(turned, Detector(), 1e-3).transmittance < -((10 / 12) ** 2)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Detector(efficiency=0), "efficiency = 0"),
        (lambda: Detector(efficiency=1.2), r"efficiency = 1\.2"),
        (lambda: Detector(electronic_noise=-0.1), r"electronic noise = -0\.1"),
        (lambda: slope_min(SymbolStatistics(1, 1, 1, 1), 0.1), "count of verified symbols = 1"),
        (lambda: slope_min(SymbolStatistics(9, 0, 0, 9), 0.1), "qq = 0"),
        (lambda: noise_variance_max(SymbolStatistics(9, 9, 0, 9), 0), "failure_probability = 0"),
        (
            lambda: certified_channel(SymbolStatistics(9, 9, 0, 9), Detector(), 1),
            "failure_probability = 1",
        ),
        (
            lambda: excess_noise_above(SymbolStatistics(9, 9, 0, 9), Detector(), 0, 0.5),
            r"false_alarm_probability = 0\.5",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(RangeError, match=message):
        call()


# The limits by the distributions' own definitions, from tables that no code here has made.


@pytest.mark.parametrize(
    "count, p, student",
    [(11, 0.05, 1.8125), (2, 0.25, 1.0), (31, 0.005, 2.7500), (6, 0.01, 3.3649)],
)
def test_the_slope_limit_is_students(count, p, student):
    """t̂ = 1/2 with a standard error of 0.02, and the quantiles as printed, to 4 digits."""
    residual = 0.04 * (count - 1)  # s = 0.2
    few = SymbolStatistics(count, 100.0, 50.0, 25.0 + residual)
    assert slope_min(few, p) == pytest.approx(0.5 - student * 0.2 / 10, abs=2e-6)
    declared = Detector(0.81)  # slope 0.9·√T
    allowed = (0.5 + student * 0.02) / 0.9
    for change, found in ((1.0001, True), (0.9999, False)):
        below = transmittance_below(few, declared, (allowed * change) ** 2, p)
        assert bool(below) is found


@pytest.mark.parametrize(
    "count, p, low, high",
    [(11, 0.05, 3.940, 18.307), (2, 0.01, 1.5709e-4, 6.635), (21, 0.1, 12.443, 28.412)],
)
def test_the_noise_limits_are_chi_squared(count, p, low, high):
    statistics = SymbolStatistics(count, 100.0, 0.0, 7.0)
    assert noise_variance_max(statistics, p) == pytest.approx(7 / low, rel=2e-4)
    receiver = Detector(0.5, 0.1)
    for change, found in ((1.001, False), (0.999, True)):
        declared = (7 / high * change - 1.1) / 0.5
        if declared < 0:
            receiver, declared = Detector(0.5, 0.0), (7 / high * change - 1) / 0.5
        assert bool(excess_noise_above(statistics, receiver, declared, p)) is found


def test_half_of_the_failure_probability_goes_to_each_limit():
    statistics = SymbolStatistics(100, 1200.0, 1000.0, 1000.0)
    certified = certified_channel(statistics, RECEIVER, 0.02)
    t, variance = slope_min(statistics, 0.01), noise_variance_max(statistics, 0.01)
    assert certified.transmittance == pytest.approx(t**2 / 0.85)
    assert certified.excess_noise == pytest.approx((variance - 1.1) / 0.85)


def test_estimates_by_hand():
    """5 symbols, t̂ = 1/2, R = 8: s² = 2, σ̂² = 1.6."""
    few = SymbolStatistics(5, 16.0, 8.0, 12.0)
    estimated = estimated_channel(few, RECEIVER)
    assert estimated.transmittance == pytest.approx(0.25 / 0.85)
    assert estimated.excess_noise == pytest.approx((1.6 - 1.1) / 0.85)
    of_transmittance, of_excess = standard_errors(few, RECEIVER)
    assert of_transmittance == pytest.approx(2 * 0.5 * np.sqrt(2 / 16) / 0.85)
    assert of_excess == pytest.approx(2 * np.sqrt(2 / 4) / 0.85)


@pytest.mark.parametrize(
    "limit",
    [
        lambda s: estimated_channel(s, RECEIVER),
        lambda s: standard_errors(s, RECEIVER),
        lambda s: slope_min(s, 0.1),
        lambda s: noise_variance_max(s, 0.1),
        lambda s: certified_channel(s, RECEIVER, 0.1),
        lambda s: transmittance_below(s, RECEIVER, 1.0, 0.1),
        lambda s: excess_noise_above(s, RECEIVER, 0.0, 0.1),
    ],
)
def test_two_symbols_at_least_and_whole_ones(limit):
    limit(SymbolStatistics(2, 1.0, 0.5, 1.0))
    for count in (0, 1):
        with pytest.raises(RangeError, match=f"count of verified symbols = {count}"):
            limit(SymbolStatistics(count, 1.0, 0.5, 1.0))
    with pytest.raises(RangeError, match="qq = 0"):
        limit(SymbolStatistics(9, 0.0, 0.0, 1.0))
    half = SymbolStatistics(3, 1.0, 0.5, 1.0)
    object.__setattr__(half, "count", 2.5)  # which no statistics can hold
    with pytest.raises(RangeError, match=r"count of verified symbols = 2\.5"):
        limit(half)


@pytest.mark.parametrize("test", [transmittance_below, excess_noise_above])
@pytest.mark.parametrize("level", [0.0, 0.5, -0.1, np.nan])
def test_levels_lie_between_zero_and_a_half(test, level):
    with pytest.raises(RangeError, match="false_alarm_probability"):
        test(SymbolStatistics(9, 9, 0, 9), RECEIVER, 0.5, level)
    if test is excess_noise_above:
        return
    for limit in (slope_min, noise_variance_max):
        with pytest.raises(RangeError, match="failure_probability"):
            limit(SymbolStatistics(9, 9, 0, 9), level)
        with pytest.raises(RangeError, match="failure_probability"):
            certified_channel(SymbolStatistics(9, 9, 0, 9), RECEIVER, 2 * level)


symbols = st.tuples(
    st.integers(2, 10**7), st.floats(0.1, 50), st.floats(-1.0, 1.0), st.floats(0.01, 5)
)


def of_symbols(count, modulation, slope, variance):
    qq = modulation * count
    return SymbolStatistics(count, qq, slope * qq, slope**2 * qq + variance * count)


@settings(max_examples=100)
@given(symbols, st.floats(1e-12, 0.98), st.floats(0.01, 0.99))
def test_more_confidence_never_certifies_less_leakage(drawn, delta, smaller):
    statistics = of_symbols(*drawn)
    loose = certified_channel(statistics, RECEIVER, delta)
    tight = certified_channel(statistics, RECEIVER, delta * smaller)
    assert tight.transmittance <= loose.transmittance
    assert tight.excess_noise >= loose.excess_noise
    # In every sense what is certified is worse than what is estimated.
    estimated = estimated_channel(statistics, RECEIVER)
    assert loose.transmittance <= estimated.transmittance + 1e-12
    if delta < 0.5:
        assert loose.excess_noise >= estimated.excess_noise - 1e-12
    bits = [
        holevo_per_mode(13, *channel.nearest_physical()) for channel in (estimated, loose, tight)
    ]
    assert bits[2] >= bits[1] * (1 - 1e-12)


@settings(max_examples=50)
@given(symbols, st.integers(2, 1000))
def test_more_of_the_same_symbols_certify_more(drawn, times):
    count, *rest = drawn
    few, many = of_symbols(count, *rest), of_symbols(count * times, *rest)
    one, other = (certified_channel(s, RECEIVER, 1e-6) for s in (few, many))
    assert other.transmittance >= one.transmittance - 1e-12
    assert other.excess_noise <= one.excess_noise + 1e-12
