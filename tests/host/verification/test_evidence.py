"""Evidence processes: false alarms at most at their level, whatever is looked at, and detection."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chi2

from shotveil.host.verification.evidence import (
    HonestNoise,
    excess_evidence,
    flatness_evidence,
    largest_flatness_evidence,
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
        1.5,
        3.0,
        transmittance_out=0.9,
        transmittance_back=0.8,
        excess_noise=0.02,
        server_detector=Detector(0.7, 0.1),
        phase_error=0.01,
    )
    noise = HonestNoise.declared(link, 50)
    assert noise.slope == pytest.approx(math.sqrt(0.7 * link.declared_transmittance))
    assert noise.white == pytest.approx(1.1 + 0.7 * 0.02)
    assert (noise.white + noise.spike / 50) == pytest.approx(
        1.1 + 0.7 * link.declared_excess_noise(50)
    )
    # A unit that may drift by 1 % makes noise look that much larger.
    detector = replace(link.server_detector, shot_noise_drift=0.01)
    drifting = HonestNoise.declared(replace(link, server_detector=detector), 50)
    assert drifting.white == pytest.approx(1.01 * noise.white)
    assert drifting.spike == pytest.approx(1.01 * noise.spike)


# The expectation of E under the null is an integral that can be taken: for the noise that a test
# declares it is 1 to all digits, whatever the mixture. That is what makes E a martingale, so that
# it reaches 1/α with probability α at most (Ville), and any slip in a formula shows.


def chi_squared_grid(freedom, points=240):
    """χ² of so many degrees of freedom: values, and logarithms of their weights.

    Even in ln x, where the sum converges like an exponential: all tails vanish within the grid.
    """
    u = np.linspace(-40, math.log(4e3), points)
    return np.exp(u), chi2.logpdf(np.exp(u), freedom) + u + math.log(u[1] - u[0])


def noise_alone(yy, count):
    """Statistics of light that carries no signal, one for each element of `yy`: all is noise."""
    yy = np.ravel(yy)
    zero = np.zeros(yy.shape)
    return SymbolStatistics(np.full(yy.shape, count), zero, zero, yy)


def mean_of(evidence, weight, other):
    """Mean of exp(evidence) over the products of two grids."""
    return np.exp(np.reshape(evidence, (len(weight), len(other))) + weight[:, None] + other).sum()


def expectation(test, modes, rows, white, spike, declared_white=1.1, declared_spike=0.4):
    """E of exp(test) over rows of white noise in all modes, and one with a spike."""
    noise = HonestNoise(modes, 0.9, declared_white, declared_spike)
    x, weight = chi_squared_grid(rows * (modes - 1))
    z, other = chi_squared_grid(rows)
    yy = white * x[:, None] + (white + spike) * z
    return mean_of(test(noise, noise_alone(yy, rows * modes)), weight, other)


@pytest.mark.parametrize("modes, rows", [(2, 3), (5, 1), (7, 4)])
def test_excess_evidence_has_mean_one_for_declared_noise_and_less_for_less(modes, rows):
    def test(noise, statistics):
        return excess_evidence([(noise, statistics)])

    assert expectation(test, modes, rows, 1.1, 0.4) == pytest.approx(1, abs=1e-6)
    assert expectation(test, modes, rows, 1.05, 0.4) < 0.999
    assert expectation(test, modes, rows, 1.1, 0.3) < 0.999
    assert expectation(test, modes, rows, 1.15, 0.4) > 1.001


def test_excess_evidence_of_several_layers_has_mean_one():
    """One factor a layer and alternative, before the mean over alternatives is taken."""
    first, second = HonestNoise(1, 0.9, 1.1, 0.4), HonestNoise(1, 0.5, 2.0, 0.0)
    x, weight = chi_squared_grid(3)
    z, other = chi_squared_grid(2)
    shape = np.broadcast_shapes((len(x), 1), (len(z),))
    parts = [
        (first, noise_alone(np.broadcast_to(1.5 * x[:, None], shape), 3)),
        (second, noise_alone(np.broadcast_to(2.0 * z, shape), 2)),
    ]
    assert mean_of(excess_evidence(parts), weight, other) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("modes, qq", [(1, 3.0), (9, 200.0)])
def test_loss_evidence_has_mean_one_for_the_declared_slope_and_noise(modes, qq):
    noise = HonestNoise(modes, 0.9, 1.1, 0.4)
    z = np.linspace(-40, 40, 20_001)
    weight = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])

    def mean(slope, variance):
        qy = slope * qq + math.sqrt(variance * qq) * z
        yy = np.full(z.shape, 1e9)  # does not matter
        statistics = SymbolStatistics(np.full(z.shape, modes), np.full(z.shape, qq), qy, yy)
        return float(np.sum(np.exp(loss_evidence([(noise, statistics)])) * weight))

    assert mean(0.9, 1.5) == pytest.approx(1, abs=1e-9)
    assert mean(0.91, 1.5) < 1 and mean(0.9, 1.4) < 1 < mean(0.89, 1.5)


@pytest.mark.parametrize("peak, rows_in_mode", [(1.0, 2), (4.0, 8), (50.0, 10)])
def test_flatness_evidence_has_mean_one_for_a_mode_with_just_its_peak(peak, rows_in_mode):
    """10 rows of 5 modes: at peak 4, 8 rows may lie wholly in a mode; beyond 5 all may."""
    noise = HonestNoise(5, 0.9, 1.1, 0.4)
    x, weight = chi_squared_grid(rows_in_mode)
    z, other = chi_squared_grid(10 - rows_in_mode) if rows_in_mode < 10 else np.zeros((2, 1))
    yy = 1.5 * x[:, None] + 1.1 * z
    evidence = flatness_evidence(noise, noise_alone(yy, 10), peak)
    assert mean_of(evidence, weight, other) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_variance_evidence_has_mean_one_for_the_stated_variance(count):
    x, weight = chi_squared_grid(count)
    evidence = np.array([variance_evidence(0.7 * value, count, 0.7) for value in x])
    assert np.exp(evidence + weight).sum() == pytest.approx(1, abs=1e-6)


def test_alternatives_reach_from_a_millionth_to_thirty_times():
    """60 of them, even in the logarithm, each with a weight of its own, and half for less."""
    # A gross deviation: the largest alternative alone is left, with a weight of 1/60.
    noise = HonestNoise(1, 1.0, 1.0, 1.0)
    largest = 30 / 31 / (2 * 2.0)
    gross = float(excess_evidence([(noise, noise_alone(1e5, 1))]))
    edge = -math.log1p(-2 * largest * 2.0) / 2  # of a single row in a single mode
    assert gross == pytest.approx(largest * 1e5 - edge - math.log(60), abs=1e-9)
    # None: the mixture starts at 1.
    for evidence in (excess_evidence([(noise, noise_alone(0.0, 0))]), excess_evidence([])):
        assert evidence == pytest.approx(0, abs=1e-12)
    assert variance_evidence(0.0, 0, 2.0) == pytest.approx(0, abs=1e-12)
    # A variance of nothing: of the alternatives that look for less, 30 is the furthest.
    furthest = math.log1p(2 * 30 / 2) * 10_000 / 2
    grid = np.geomspace(1e-6, 30, 60)
    both = np.concatenate([grid / (1 + grid), -grid])
    assert variance_evidence(0.0, 10_000, 2.0) == pytest.approx(
        logsumexp(np.log1p(-both) * 5_000) - math.log(120)
    )
    assert furthest > variance_evidence(0.0, 10_000, 2.0) > furthest / 2
    # A mild loss: sums over the same grid, cut at the whole slope.
    tilt = np.minimum(grid, 1) / 2
    for qy in (900.0, 0.0):  # a quarter of the slope is gone, and all of it
        lossy = SymbolStatistics(100, 1200.0, qy, 1000.0)
        expected = logsumexp(tilt * (1200 - qy) - tilt**2 * 2 * 1200 / 2) - math.log(60)
        assert float(loss_evidence([(noise, lossy)])) == pytest.approx(expected)
    mild = SymbolStatistics(100, 1200.0, 1200.0, 1201.0 + 250)
    theta = grid / (1 + grid) / 4
    expected = logsumexp(theta * 251 + 100 * np.log1p(-4 * theta) / 2) - math.log(60)
    assert float(excess_evidence([(noise, mild)])) == pytest.approx(expected)


def test_evidence_is_the_residual_about_the_fitted_slope():
    """A slope other than declared is the other test's business; what is sent at none is noise."""
    noise = HonestNoise(4, 1.0, 1.0, 0.2)
    straight = SymbolStatistics(400, 100.0, 50.0, 25.0 + 430.0)
    assert excess_evidence([(noise, straight)]) == excess_evidence(
        [(noise, noise_alone(430.0, 400))]
    )
    # Rounding may leave a sum of squares below zero: it counts as none.
    below = SymbolStatistics(400, 1.0, 1.0, 1 - 1e-10)
    assert excess_evidence([(noise, below)]) == excess_evidence([(noise, noise_alone(0.0, 400))])
    assert flatness_evidence(noise, straight, 2.0) == flatness_evidence(
        noise, noise_alone(430.0, 400), 2.0
    )


@pytest.mark.parametrize("variance", [0.0, -1.0, math.nan])
def test_a_variance_is_above_zero(variance):
    with pytest.raises(RangeError, match="variance"):
        variance_evidence(1.0, 1, variance)


def test_the_peak_of_one_is_the_least():
    noise = HonestNoise(4, 1.0, 1.0, 0.2)
    assert np.isfinite(flatness_evidence(noise, noise_alone(4.0, 4), 1.0))


def test_the_mode_with_the_largest_residual_has_the_largest_evidence():
    rng = np.random.default_rng(12)
    noise = HonestNoise.declared(Link(1.3, 6.0), 40)
    for often in (np.full(40, 50), rng.integers(1, 90, 40), np.zeros(40, int)):
        q = rng.normal(0, 3, (90, 40)) * (np.arange(90)[:, None] < often)
        y = (q + rng.normal(0, 1.2, q.shape)) * (np.arange(90)[:, None] < often)
        seen = SymbolStatistics(often, (q * q).sum(0), (q * y).sum(0), (y * y).sum(0))
        largest = largest_flatness_evidence(noise, seen, 8.0)
        assert largest == pytest.approx(flatness_evidence(noise, seen, 8.0).max(), abs=1e-12)
