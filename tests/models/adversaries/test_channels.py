"""Adversaries on the fibre: the channel they leave, and what they hold, symbol by symbol."""

import math

import numpy as np
import pytest

from shotveil.host.leakage.certificate import estimated_channel, standard_errors
from shotveil.host.leakage.weights import weight_leakage
from shotveil.models.adversaries.channels import heterodyne, mutual_information
from shotveil.models.adversaries.entangling_cloner import EntanglingCloner
from shotveil.models.adversaries.intercept_resend import InterceptResend
from shotveil.models.adversaries.tap import Tap
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.symbols import vacuum

V_A = 12.0
CHANNELS = {
    "tap": Tap(0.01),
    "large tap": Tap(0.6),
    "few rows": InterceptResend(0.05),
    "all rows": InterceptResend(1.0),
    "quiet cloner": EntanglingCloner(0.9, 0.0),
    "loud cloner": EntanglingCloner(0.5, 0.3),
    "almost no loss": EntanglingCloner(0.99, 0.05),
}


@pytest.fixture(scope="module")
def sent():
    return vacuum((4000, 100), np.random.default_rng(1), V_A)


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS)
def test_the_server_sees_the_stated_channel(channel, sent):
    taken = channel.pass_on(sent, np.random.default_rng(2))
    q = np.concatenate([sent.real.ravel(), sent.imag.ravel()])
    y = np.concatenate([taken.returned.real.ravel(), taken.returned.imag.ravel()])
    statistics = SymbolStatistics.of(q, y)
    seen = estimated_channel(statistics, Detector())
    error_t, error_e = standard_errors(statistics, Detector())
    assert abs(seen.transmittance - channel.transmittance) < 5 * error_t
    # The number of rows touched is itself random.
    scatter = 2 / math.sqrt(len(sent)) if isinstance(channel, InterceptResend) else 0
    assert abs(seen.excess_noise - channel.excess_noise) < 5 * error_e + 3 * scatter * (
        0.05**0.5 if channel == CHANNELS["few rows"] else 0
    )


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS)
@pytest.mark.parametrize("v_a", [0.1, 12.0, 390.0])
def test_no_more_is_learned_than_the_bound_says(channel, v_a):
    rng = np.random.default_rng(3)
    sent = vacuum((2000, 100), rng, v_a)
    taken = channel.pass_on(sent, rng)
    learned = mutual_information(sent, taken.record, taken.touched)
    bound = float(weight_leakage(1 + v_a, channel.transmittance, channel.excess_noise))
    assert 0 < learned < bound
    if v_a == V_A:
        assert learned > 0.05 * bound  # a real attack, not a token one


def test_the_cloners_combination_is_the_best_of_its_kind(sent):
    """What it makes of its two records tells as much as both together."""
    channel, rng = EntanglingCloner(0.5, 0.3), np.random.default_rng(4)
    taken = channel.pass_on(sent, rng)
    combined = mutual_information(sent, taken.record, taken.touched)
    for other in (EntanglingCloner(0.5, 0.0), Tap(0.5)):
        quiet = other.pass_on(sent, rng)
        assert combined == pytest.approx(
            mutual_information(sent, quiet.record, quiet.touched), rel=0.5
        )
    # Closed form: signal (1−t)/2·V_A; noise of both records after the best combination.
    t, w = 0.5, 1 + 0.3 / 0.5
    a, b, c = ((1 - t) + t * w + 1) / 2, (w + 1) / 2, math.sqrt(t * (w**2 - 1)) / 2
    expected = math.log2(1 + (1 - t) / 2 * V_A / (a - c**2 / b)) / 2
    assert combined == pytest.approx(expected, rel=0.01)


def test_mutual_information_of_a_known_record():
    rng = np.random.default_rng(5)
    sent = vacuum((2000, 50), rng, V_A)
    record = heterodyne(sent + vacuum(sent.shape, rng), rng)
    everywhere = np.ones(2000, dtype=bool)
    expected = math.log2(1 + V_A / 2) / 2
    assert mutual_information(sent, record, everywhere) == pytest.approx(expected, rel=0.01)
    assert mutual_information(sent, record, ~everywhere) == 0
    independent = vacuum(sent.shape, rng)
    assert mutual_information(sent, independent, everywhere) < 1e-4


def test_bad_settings_are_refused():
    for make in (lambda: Tap(1.5), lambda: InterceptResend(-0.1)):
        with pytest.raises(RangeError, match="fraction"):
            make()
    with pytest.raises(RangeError, match="transmittance"):
        EntanglingCloner(1.0, 0.1)
    with pytest.raises(RangeError, match="excess noise"):
        EntanglingCloner(0.5, -0.1)
