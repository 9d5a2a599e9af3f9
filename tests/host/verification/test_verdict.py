"""The server's verdict on simulated sessions: honest ones pass, loss and noise do not."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import binom

from shotveil.host.leakage.certificate import ChannelEstimate
from shotveil.host.leakage.majorant import majorant_after
from shotveil.host.leakage.weight_bounds.holevo_amplified import holevo_amplified
from shotveil.host.verification.verdict import verify
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector
from shotveil.models.link.statistics import SymbolStatistics

MODES = 392
G_NOISE = 2 * 0.3 / 1.3
DECLARED = ChannelEstimate(1.0, G_NOISE / MODES)
RECEIVER = Detector(efficiency=0.9, electronic_noise=0.05)
V_A = 12.0


def symbols(rng, number, transmittance=1.0, excess=DECLARED.excess_noise):
    """Statistics of independent symbols, drawn one by one, seen by RECEIVER."""
    q = rng.normal(0, np.sqrt(V_A), size=number)
    y = RECEIVER.slope(transmittance) * q + rng.normal(
        0, np.sqrt(RECEIVER.noise_variance(excess)), size=number
    )
    return SymbolStatistics.of(q, y)


def verdict(statistics, **settings):
    return verify(
        statistics, declared=DECLARED, modulation_variance=V_A, receiver=RECEIVER, **settings
    )


def rows_of_light(rng, rows, modes, g):
    """Returned rows as the client's amplifier leaves them: one ν a row, spread over modes by ξ."""
    xi = rng.normal(size=modes) + 1j * rng.normal(size=modes)
    xi /= np.linalg.norm(xi)

    def complex_normal(shape, variance):
        return np.sqrt(variance) * (rng.normal(size=shape) + 1j * rng.normal(size=shape))

    sent = complex_normal((rows, modes), V_A)
    noise = complex_normal((rows, 1), g) * xi + complex_normal((rows, modes), 1)
    got = sent + noise
    return SymbolStatistics.of(np.stack([sent.real, sent.imag]), np.stack([got.real, got.imag]))


def test_honest_session():
    v = verdict(symbols(np.random.default_rng(31), 300_000))
    assert v.accepted and v.reason.startswith("accepted: transmittance ")
    assert v.symbols == 300_000
    assert abs(v.transmittance - 1) < 4 * v.transmittance_error < 0.01
    assert abs(v.excess_noise - DECLARED.excess_noise) < 4 * v.excess_noise_error < 0.02
    assert v.transmittance_min < v.transmittance and v.excess_noise_max > v.excess_noise
    assert v.weight_leakage.declared == majorant_after(1, V_A, *DECLARED)
    nearest = min(1.0, v.transmittance), max(0.0, v.excess_noise)
    assert v.weight_leakage.estimated == majorant_after(1, V_A, *nearest)
    worst = v.transmittance_min, v.excess_noise_max
    assert v.weight_leakage.certified == holevo_amplified(1, V_A, *worst)
    assert v.weight_leakage.certified > majorant_after(1, V_A, *worst), "of any client"
    assert v.weight_leakage.certified > 4 * v.weight_leakage.declared
    assert json.loads(json.dumps(dataclasses.asdict(v)))["weight_leakage"]["declared"] > 0


def test_leakage_of_many_inferences():
    one = symbols(np.random.default_rng(31), 300_000)
    v = verdict(one, inferences=100)
    assert v.weight_leakage.declared == majorant_after(100, V_A, *DECLARED)
    assert v.weight_leakage.certified > 3 * verdict(one).weight_leakage.certified


def test_honest_amplifier_through_real_rows():
    """Noise shared by the modes of a row, as the protocol makes it, shows g/N and is accepted."""
    v = verify(
        rows_of_light(np.random.default_rng(32), 2000, 49, G_NOISE),
        declared=ChannelEstimate(1.0, G_NOISE / 49),
        modulation_variance=V_A,
    )
    assert v.accepted
    assert v.excess_noise == pytest.approx(G_NOISE / 49, abs=4 * v.excess_noise_error)
    assert v.symbols == 2 * 2000 * 49


def false_alarms(rng, sessions, level, draw):
    return sum(
        not verdict(draw(rng), false_alarm_probability=level).accepted for _ in range(sessions)
    )


@pytest.mark.parametrize(("level", "sessions"), [(0.1, 1500), (0.01, 5000)])
def test_false_alarm_rate_is_no_higher_than_stated(level, sessions):
    rng = np.random.default_rng(33)
    alarms = false_alarms(rng, sessions, level, lambda rng: symbols(rng, 400))
    assert binom.sf(alarms - 1, sessions, level) > 1e-3  # not significantly more
    assert binom.cdf(alarms, sessions, level - level**2 / 4) > 1e-3  # nor is the test idle


def test_false_alarm_rate_with_noise_shared_by_the_modes_of_a_row():
    rng = np.random.default_rng(34)
    sessions, level = 2000, 0.01
    declared = ChannelEstimate(1.0, G_NOISE / 49)
    alarms = sum(
        not verify(
            rows_of_light(rng, 10, 49, G_NOISE),
            declared=declared,
            modulation_variance=V_A,
            false_alarm_probability=level,
        ).accepted
        for _ in range(sessions)
    )
    assert binom.sf(alarms - 1, sessions, level) > 1e-3


def test_a_better_channel_than_declared_is_accepted():
    rng = np.random.default_rng(35)
    v = verify(
        symbols(rng, 100_000, transmittance=0.9, excess=0.0),
        declared=ChannelEstimate(0.8, 0.05),
        modulation_variance=V_A,
        receiver=RECEIVER,
    )
    assert v.accepted


def test_detects_one_percent_more_loss():
    rng = np.random.default_rng(36)
    for _ in range(20):
        v = verdict(symbols(rng, 307_328, transmittance=0.99))
        assert not v.accepted and "is too low" in v.reason and "too high" not in v.reason


def test_detects_gain_above_the_declared():
    """G = 1.5 where 1.3 is declared adds (2/3 − 6/13)/N: at N = 392 it takes many rows to see."""
    rng = np.random.default_rng(37)
    modes, g = 4, 2 * 0.5 / 1.5
    v = verify(
        rows_of_light(rng, 40_000, modes, g),
        declared=ChannelEstimate(1.0, G_NOISE / modes),
        modulation_variance=V_A,
    )
    assert not v.accepted and "is too high" in v.reason and "too low" not in v.reason


def test_detects_both():
    v = verdict(symbols(np.random.default_rng(38), 100_000, transmittance=0.9, excess=0.1))
    assert not v.accepted and "too low" in v.reason and "too high" in v.reason
    assert v.reason.startswith("rejected: ") and "\n" not in v.reason


def test_signs_are_reported_and_the_leakage_rule_applies():
    lucky = SymbolStatistics(10_000, 120_000.0, 114_500.0, 118_000.0)
    v = verdict(lucky)
    assert v.transmittance > 1 and v.excess_noise < 0
    assert v.weight_leakage.estimated == majorant_after(1, V_A, 1, 0) == 0
    assert v.weight_leakage.certified > 0
    lost = verdict(SymbolStatistics(10_000, 120_000.0, 0.0, 10_000.0))
    assert lost.transmittance_min < 0 and not lost.accepted
    assert lost.weight_leakage.certified == majorant_after(1, V_A, 0, lost.excess_noise_max)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"declared": ChannelEstimate(0.0, 0.1)}, "declared transmittance = 0"),
        ({"declared": ChannelEstimate(1.1, 0.1)}, r"declared transmittance = 1\.1"),
        ({"declared": ChannelEstimate(1.0, -0.1)}, r"declared excess_noise = -0\.1"),
        ({"modulation_variance": -1}, "modulation_variance = -1"),
        ({"inferences": 0.5}, r"inferences = 0\.5"),
        ({"failure_probability": 0}, "failure_probability = 0"),
        ({"false_alarm_probability": 0}, "false_alarm_probability = 0"),
        ({"false_alarm_probability": 1}, "false_alarm_probability = 1"),
        ({"statistics": SymbolStatistics(1, 1, 1, 1)}, "count of verified symbols = 1"),
        ({"statistics": SymbolStatistics(9, np.ones(2), 1, 1)}, "statistics hold an array"),
    ],
)
def test_refuses(change, message):
    arguments = {
        "statistics": SymbolStatistics(1000, 12_000.0, 12_000.0, 13_000.0),
        "declared": DECLARED,
        "modulation_variance": V_A,
    } | change
    with pytest.raises(RangeError, match=message):
        verify(arguments.pop("statistics"), **arguments)


def test_each_test_has_half_of_the_false_alarm_probability(monkeypatch):
    levels = {}
    for name in ("transmittance_below", "excess_noise_above"):
        monkeypatch.setattr(
            f"shotveil.host.verification.verdict.{name}",
            lambda s, r, value, level, name=name: levels.update({name: (value, level)}) or False,
        )
    found = verdict(symbols(np.random.default_rng(2), 1000), false_alarm_probability=0.02)
    assert levels == {
        "transmittance_below": (1.0, 0.01),
        "excess_noise_above": (DECLARED.excess_noise, 0.01),
    }
    assert found.accepted and (found.false_alarm_probability, found.failure_probability) == (
        0.02,
        1e-10,
    )


@pytest.mark.parametrize(
    "lossy, noisy", [(False, False), (True, False), (False, True), (True, True)]
)
def test_the_reason_names_what_was_found(monkeypatch, lossy, noisy):
    place = "shotveil.host.verification.verdict."
    monkeypatch.setattr(place + "transmittance_below", lambda *_: np.bool_(lossy))
    monkeypatch.setattr(place + "excess_noise_above", lambda *_: np.bool_(noisy))
    found = verdict(symbols(np.random.default_rng(2), 1000))
    assert found.accepted == (not lossy and not noisy)
    assert ("is too low" in found.reason, "is too high" in found.reason) == (lossy, noisy)
    assert ("agree" in found.reason) == found.accepted
    assert found.reason.endswith("at false-alarm probability 1e-06")
    assert ("transmittance" in found.reason) == (lossy or not noisy)
    assert ("excess noise" in found.reason) == (noisy or not lossy)
