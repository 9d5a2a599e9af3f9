"""The phase: where it starts, how it drifts, and how far the laser wanders over the difference."""

import math

import numpy as np
import pytest

from shotveil.models.waveform.phase import PhaseWalk


def walk(linewidth=0.0, unmatched=0.0, drift=0.0, start=0.0, seed=1):
    return PhaseWalk(linewidth, unmatched, drift, start, 4, np.random.default_rng(seed))


def test_a_phase_that_rests_turns_all_alike():
    field = np.array([1.0, 2j])
    np.testing.assert_allclose(walk(start=0.3).turn(field), field * np.exp(0.3j))
    # Linewidth without a difference of paths, or the other way round, is nothing.
    for still in (walk(linewidth=1e-3, start=0.3), walk(unmatched=5, start=0.3)):
        np.testing.assert_array_equal(still.take(3), np.full(3, 0.3))


def test_drift_is_per_symbol_and_goes_on():
    drifting = walk(drift=0.4, start=1.0)
    np.testing.assert_allclose(drifting.take(3), [1.0, 1.1, 1.2])
    np.testing.assert_allclose(drifting.take(2), [1.3, 1.4])
    np.testing.assert_allclose(walk(drift=0.4).turn(np.ones(3)), np.exp([0, 0.1j, 0.2j]))


@pytest.mark.parametrize(("unmatched", "lag"), [(3.0, 12), (0.25, 1), (0.3, 1)])
def test_what_is_left_is_the_lasers_walk_over_the_difference_of_paths(unmatched, lag):
    phases = walk(linewidth=1e-3, unmatched=unmatched).take(400_000)
    variance = 2 * math.pi * 1e-3 * lag / 4
    assert phases.var() == pytest.approx(variance, rel=0.03)
    assert abs(phases.mean()) < 5 * math.sqrt(variance * lag / 400_000)
    apart = phases[lag:] - phases[:-lag]
    assert apart.var() == pytest.approx(2 * variance, rel=0.03)  # nothing in common
    if lag > 1:
        near = phases[1:] - phases[:-1]
        assert near.var() == pytest.approx(2 * variance / lag, rel=0.03)


def test_it_has_wandered_before_the_first_sample():
    first = [walk(linewidth=1e-3, unmatched=4, seed=seed).take(1)[0] for seed in range(400)]
    assert np.var(first) == pytest.approx(2 * math.pi * 1e-3 * 4, rel=0.3)


def test_blocks_do_not_matter():
    whole = walk(1e-3, 3.0, 0.1, 0.2).take(100)
    streaming = walk(1e-3, 3.0, 0.1, 0.2)
    parts = [streaming.take(n) for n in (1, 0, 40, 59)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-12)
    field = np.ones(100, complex)
    np.testing.assert_allclose(walk(1e-3, 3.0, 0.1, 0.2).turn(field), np.exp(1j * whole))


def test_without_unmatched_paths_the_phase_is_start_and_drift():
    for still in (walk(start=0.4), walk(linewidth=1e-3, start=0.4), walk(0, 5, start=0.4)):
        np.testing.assert_array_equal(still.take(5), [0.4] * 5)
    drifting = walk(drift=0.02, start=0.4)
    np.testing.assert_allclose(drifting.take(3), 0.4 + 0.005 * np.arange(3))
    np.testing.assert_allclose(drifting.take(2), 0.4 + 0.005 * np.arange(3, 5))


@pytest.mark.parametrize("lag", [1, 3])
def test_it_wanders_as_far_as_the_laser_does_in_the_difference_of_the_paths(lag):
    """Variance 2π·linewidth a symbol; correlated over as many samples as the lag has."""
    n = 400_000
    phase = walk(linewidth=1e-4, unmatched=lag).take(n)
    variance = 2 * math.pi * 1e-4 * lag
    samples = 4 * lag
    # Neighbours of a lag share their steps: as many independent ones as lags.
    error = 5 * math.sqrt(2 * samples / n)
    assert phase.var() == pytest.approx(variance, rel=error)
    assert abs(phase.mean()) < 5 * math.sqrt(variance * samples / n)
    for k, share in ((samples // 2, 0.5), (samples, 0.0)):
        covariance = np.mean(phase[k:] * phase[:-k])
        assert covariance / variance == pytest.approx(share, abs=error)
    # It is stationary from the first sample on.
    first = [walk(1e-4, lag, seed=seed).take(1)[0] for seed in range(2000)]
    assert np.var(first) == pytest.approx(variance, rel=5 * math.sqrt(2 / 2000))


def test_unmatched_symbols_round_to_samples():
    assert np.ptp(walk(1e-3, 0.12).take(50)) == 0
    assert np.ptp(walk(1e-3, 0.13).take(50)) > 0


def test_pieces_do_not_matter():
    settings = {"linewidth": 1e-3, "unmatched": 2, "drift": 0.01, "start": 0.3}
    whole = walk(**settings).take(60)
    stream = walk(**settings)
    parts = [stream.take(n) for n in (1, 2, 20, 0, 37)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-12)


def test_a_field_is_turned():
    field = np.random.default_rng(4).normal(size=(50, 2)) @ [1, 1j]
    for settings in (
        {"start": 0.7},
        {"start": 0.7, "drift": 0.1},
        {"linewidth": 1e-2, "unmatched": 1},
    ):
        turned = walk(**settings).turn(field)
        np.testing.assert_allclose(turned, field * np.exp(1j * walk(**settings).take(50)))
