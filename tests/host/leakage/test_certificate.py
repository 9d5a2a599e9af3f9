"""Limits and tests from finite data, by Monte Carlo over whole sessions of symbols."""

import mpmath as mp
import numpy as np
import pytest
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
