"""The phase between light and oscillator: drift, and what a laser wanders between two paths."""

import math

import numpy as np
import pytest

from shotveil.models.waveform.phase import PhaseWalk


def walk(linewidth=0.0, unmatched=0.0, drift=0.0, start=0.0, seed=1):
    return PhaseWalk(linewidth, unmatched, drift, start, 4, np.random.default_rng(seed))


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
