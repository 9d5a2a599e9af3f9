"""Adversaries on the fibre: the channel they leave, and what they hold, symbol by symbol."""

import math

import numpy as np
import pytest

from shotveil.host.leakage.certificate import estimated_channel, standard_errors
from shotveil.host.leakage.weights import weight_leakage
from shotveil.models.adversaries.channels import (
    RecordCorrelation,
    Taken,
    heterodyne,
    mutual_information,
)
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


def test_ends_of_settings():
    for fraction in (0, 1):
        assert Tap(fraction).transmittance == 1 - fraction
        assert InterceptResend(fraction).excess_noise == 2 * fraction
    for kind in (Tap, InterceptResend):
        for fraction in (-0.01, 1.01):
            with pytest.raises(RangeError, match="fraction"):
                kind(fraction)
    assert Tap(0.5).excess_noise == 0 and InterceptResend(0.5).transmittance == 1
    EntanglingCloner(0.5, 0)
    for t in (0.0, 1.0):
        with pytest.raises(RangeError, match="transmittance"):
            EntanglingCloner(t, 0.1)


def test_what_was_not_touched_goes_on_and_has_no_record(sent):
    taken = InterceptResend(0.3).pass_on(sent, np.random.default_rng(6))
    assert taken.touched.shape == (4000,) and 0.27 < taken.touched.mean() < 0.33
    assert not taken.record[~taken.touched].any()
    plain = (taken.returned - sent)[~taken.touched]
    loud = (taken.returned - sent)[taken.touched]
    record = (taken.record - sent)[taken.touched]
    # Vacuum; that of both ports of the receiver and of the new light; that of the receiver.
    for noise, variance in ((plain, 1), (loud, 3), (record, 2)):
        assert noise.real.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / noise.size))
        assert noise.imag.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / noise.size))
    for other in (Tap(0.3), EntanglingCloner(0.5, 0.1)):
        assert other.pass_on(sent, np.random.default_rng(6)).touched.all()


def test_a_tap_sees_its_share_with_the_vacuum_of_two_ports(sent):
    taken = Tap(0.36).pass_on(sent, np.random.default_rng(7))
    noise = taken.record - sent * 0.6 / math.sqrt(2)
    assert noise.real.var() == pytest.approx(1, rel=5 * math.sqrt(2 / sent.size))
    # Light and port mix without loss: what is kept and what goes on share no noise.
    rest = taken.returned - 0.8 * sent
    assert abs(np.mean(noise.real * rest.real)) < 5 / math.sqrt(sent.size)
    assert rest.real.var() == pytest.approx(1, rel=5 * math.sqrt(2 / sent.size))


def test_correlation_by_its_sums():
    found = RecordCorrelation()
    assert found.bits == 0 and found.variance == 0
    a, b = np.array([1 + 1j, 2.0]), np.array([1.0, 1j])
    found.add(a, b, untouched=2)
    # |⟨a, b⟩|² over the powers; half of the numbers were touched.
    rho2 = abs(np.vdot(a, b)) ** 2 / (6 * 2)
    assert found.bits == pytest.approx(-math.log2(1 - rho2) / 2 / 2)
    assert found.variance == 6 / 4
    found.add(a[:0], b[:0], untouched=4)
    assert found.bits == pytest.approx(-math.log2(1 - rho2) / 2 / 4)
    more = RecordCorrelation()
    more.add(a[:1], b[:1])
    more.add(a[1:], b[1:])
    assert more.bits == pytest.approx(-math.log2(1 - rho2) / 2)
    # What is told exactly is told to the bits that floating point has.
    same = RecordCorrelation()
    same.add(a, 2 * a)
    assert same.bits == pytest.approx(math.log2(1e15) / 2, rel=0.01)
    dark = RecordCorrelation()
    dark.add(a, 0 * b)
    assert dark.bits == 0


def test_values_cannot_be_changed_once_they_are_checked():
    for kind in (Taken, Tap, InterceptResend, EntanglingCloner):
        assert kind.__dataclass_params__.frozen
