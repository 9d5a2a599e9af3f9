"""Evidence processes: false alarms at most at their level, whatever is looked at, and detection."""

import math

import numpy as np
import pytest

from shotveil.host.verification.evidence import (
    HonestNoise,
    excess_evidence,
    flatness_evidence,
    loss_evidence,
    variance_evidence,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Detector, Link
from shotveil.models.link.statistics import SymbolStatistics

ALPHA = 1e-2
V_A = 12.0


def sums(rng, noise, v_a, rows, sessions, transmittance=1.0, extra=0.0, g=0.0):
    """Statistics of `rows` rows for each session, drawn from their own distributions.

    Σq² of Gaussian rows, the noise along q, and the energy of the noise: white in all modes but
    one, in which the spike lies. That mode is taken orthogonal to q: it is one of hundreds.
    """
    n = noise.modes * rows
    qq = v_a * rng.chisquare(n, sessions)
    along = rng.standard_normal(sessions) * np.sqrt(noise.white)
    energy = noise.white * rng.chisquare(n - rows - 1, sessions)
    energy += (noise.white + g) * rng.chisquare(rows, sessions) + along**2
    energy += extra * rng.chisquare(n, sessions)
    t = math.sqrt(transmittance) * noise.slope
    qy = t * qq + along * np.sqrt(qq)
    yy = t**2 * qq + 2 * t * along * np.sqrt(qq) + energy
    return SymbolStatistics(np.full(sessions, n), qq, qy, yy)


@pytest.mark.parametrize("gain", [1.00175, 1.3, 4.0])
def test_honest_sessions_alarm_at_most_at_the_level_however_often_one_looks(gain):
    """2000 sessions, 60 looks each at any time: the soak test runs 10⁴."""
    assert false_alarms(gain, 2000, 60, np.random.default_rng(3)) <= 2000 * ALPHA


def false_alarms(gain, sessions, looks, rng):
    """How many of so many honest sessions ever reach the level of either test."""
    link = Link(gain, 6.0)
    noise = HonestNoise.declared(link, 40)  # few modes: the spike matters most
    total = SymbolStatistics(np.zeros(sessions, int), *np.zeros((3, sessions)))
    alarm = np.zeros(sessions, bool)
    for _ in range(looks):
        rows = int(rng.geometric(1 / 40)) + 1
        total += sums(rng, noise, V_A, rows, sessions, g=link.noise_quantum)
        part = [(noise, total)]
        evidence = np.maximum(excess_evidence(part), loss_evidence(part))
        alarm |= evidence >= math.log(2 / ALPHA)
    return int(alarm.sum())


def test_the_noise_of_real_rows_is_covered_too():
    """Rows as the amplifier leaves them, one direction for all: the case the spike stands for."""
    rng = np.random.default_rng(4)
    link, modes, sessions = Link(3.0, 6.0), 4, 1500
    noise = HonestNoise.declared(link, modes)
    xi = np.array([1.0, 0, 0, 0])
    alarm = np.zeros(sessions, bool)
    total = SymbolStatistics(np.zeros(sessions, int), *np.zeros((3, sessions)))
    for _ in range(30):
        q = rng.normal(0, math.sqrt(V_A), (sessions, 10, modes))
        nu = rng.normal(0, math.sqrt(link.noise_quantum), (sessions, 10, 1))
        y = q + rng.normal(size=q.shape) + nu * xi
        total += SymbolStatistics.of(q, y, axis=(1, 2))
        part = [(noise, total)]
        both = np.maximum(excess_evidence(part), loss_evidence(part))
        alarm |= both >= math.log(2 / ALPHA)
    assert alarm.sum() <= sessions * ALPHA


@pytest.mark.parametrize(
    "fault, test", [({"extra": 0.02}, excess_evidence), ({"transmittance": 0.99}, loss_evidence)]
)
def test_faults_are_found(fault, test):
    rng = np.random.default_rng(5)
    link = Link(1.3, 6.0)
    noise = HonestNoise.declared(link, 392)
    total = sums(rng, noise, V_A, 2000, 300, g=link.noise_quantum, **fault)
    assert np.mean(test([(noise, total)]) > math.log(3e6)) > 0.99


def test_a_better_channel_is_no_fault():
    rng = np.random.default_rng(6)
    link = Link(1.3, 6.0, transmittance_back=0.8, excess_noise=0.05)
    noise = HonestNoise.declared(link, 392)
    better = SymbolStatistics.of(q := rng.normal(0, 3, 400_000), q + rng.normal(0, 1, 400_000))
    assert excess_evidence([(noise, better)]) < 0
    assert loss_evidence([(noise, better)]) < 0


def test_evidence_of_several_layers_adds_up():
    rng = np.random.default_rng(7)
    link = Link(1.3, 6.0)
    parts = []
    for modes in (392, 784):
        noise = HonestNoise.declared(link, modes)
        parts.append((noise, sums(rng, noise, V_A, 300, 1, extra=0.01, g=link.noise_quantum)))
    assert excess_evidence(parts) > max(float(excess_evidence([part])) for part in parts)


def test_flat_and_single_modes():
    rng = np.random.default_rng(8)
    link, modes, rows = Link(1.3, 6.0), 100, 4000
    noise = HonestNoise.declared(link, modes)

    def record(share):
        q = rng.normal(0, 3, (rows, modes))
        y = q + rng.normal(size=q.shape)
        y += rng.normal(size=q.shape) * np.sqrt(link.noise_quantum * share)
        return SymbolStatistics.of(q, y, axis=0)

    limit = math.log(3e6 * modes)
    single = np.zeros(modes)
    single[17] = 1
    assert flatness_evidence(noise, record(single), 8.0).argmax() == 17
    assert flatness_evidence(noise, record(single), 8.0).max() > limit
    uneven = np.zeros(modes)
    uneven[:13] = 1 / 13  # below 8/100 in every mode
    assert flatness_evidence(noise, record(uneven), 8.0).max() < math.log(modes / ALPHA)
    # An honest client whose images differ: wholly in a mode, but in few rows.
    q = rng.normal(0, 3, (rows, modes))
    spiky = rng.random((rows, 1)) < 8 / 100 * (np.arange(modes) == 3)
    y = q + rng.normal(size=q.shape) * np.sqrt(1 + link.noise_quantum * spiky)
    assert flatness_evidence(noise, SymbolStatistics.of(q, y, axis=0), 8.0).max() < limit
    with pytest.raises(RangeError, match="peak"):
        flatness_evidence(noise, record(single), 0.5)


def test_flatness_alarms_at_most_at_the_level():
    rng = np.random.default_rng(9)
    link, modes = Link(3.0, 6.0), 30
    noise = HonestNoise.declared(link, modes)
    alarms = 0
    for _ in range(300):
        total = SymbolStatistics(np.zeros(modes, int), *np.zeros((3, modes)))
        for _ in range(15):
            q = rng.normal(0, 3, (40, modes))
            share = np.where(np.arange(modes) < 10, 0.1, 0.0)
            spread = np.sqrt(1 + link.noise_quantum * share)
            total += SymbolStatistics.of(q, q + rng.normal(size=q.shape) * spread, axis=0)
            if flatness_evidence(noise, total, 3.0).max() >= math.log(modes / ALPHA):
                alarms += 1
                break
    assert alarms <= 300 * ALPHA


@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_a_wrong_variance_is_found_on_either_side(ratio):
    rng = np.random.default_rng(10)
    draws = rng.normal(0, math.sqrt(2 * ratio), 20_000)
    assert variance_evidence(np.sum(draws**2), len(draws), 2.0) > math.log(1e6)


def test_the_right_variance_is_not_refused():
    rng = np.random.default_rng(11)
    squares = rng.normal(0, 1, (300, 1000)) ** 2
    alarms = 0
    for session in squares.cumsum(axis=1)[:, 19::20]:
        looks = [variance_evidence(s, 20 * (i + 1), 1.0) for i, s in enumerate(session)]
        alarms += max(looks) >= -math.log(ALPHA)
    assert alarms <= 300 * ALPHA


def test_declared_noise_of_a_link():
    link = Link(
        1.5, 3.0, 0.9, 0.8, excess_noise=0.02, server_detector=Detector(0.7, 0.1), phase_error=0.01
    )
    noise = HonestNoise.declared(link, 50)
    assert noise.slope == pytest.approx(math.sqrt(0.7 * link.declared_transmittance))
    assert noise.white == pytest.approx(1.1 + 0.7 * 0.02)
    assert (noise.white + noise.spike / 50) == pytest.approx(
        1.1 + 0.7 * link.declared_excess_noise(50)
    )
