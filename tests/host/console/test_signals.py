"""What a record shows: constellation, eye and spectrum of signals that are known."""

import numpy as np
import pytest

from shotveil.host.console import signals
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node.spec import CLOCK_HZ

SPEC = DigitiserSpec(quadratures=2)


def pulses(symbols, late):
    """Samples of symbols, shape (2, n), that begin `late` samples late."""
    drive = DriveSpec()
    taps = to_float(drive.pulse(), drive.coefficient)
    taps = taps / np.linalg.norm(taps)
    spread = np.zeros((2, 4 * symbols.shape[1] + 64))
    spread[:, late : late + 4 * symbols.shape[1] : 4] = symbols
    return np.rint(np.stack([np.convolve(line, taps) for line in spread])).astype(np.int64)


@pytest.mark.parametrize("late", [0, 1, 2, 3])
def test_symbols_are_found_whatever_the_sample_they_begin_at(late):
    rng = np.random.default_rng(late)
    sent = 1000.0 * rng.choice((-1.0, 1.0), (2, 800))
    smooth = signals.filtered(SPEC, pulses(sent, late)[:, 60:-100])
    points = signals.constellation(SPEC, smooth, signals.best_phase(SPEC, smooth))
    inner = points[:, 10:-40]
    offset = inner.mean(axis=1, keepdims=True)
    assert np.abs(np.abs(inner - offset) - 1000).max() < 150
    assert points.shape[1] <= signals.POINTS


def test_an_eye_is_open_in_the_middle_of_its_traces():
    rng = np.random.default_rng(5)
    sent = 1000.0 * rng.choice((-1.0, 1.0), (2, 400))
    smooth = signals.filtered(SPEC, pulses(sent, 2)[:, 60:-100])
    traces = signals.eye(SPEC, smooth, signals.best_phase(SPEC, smooth))
    assert traces.shape[1] == 9 and len(traces) <= signals.TRACES
    opening = np.abs(traces[5:-12]).min(axis=0)
    assert opening[4] > 800 > 3 * opening[2]


def test_white_noise_of_one_step_is_at_zero_decibels_and_keeps_its_variance():
    rng = np.random.default_rng(3)
    noise = np.rint(100 * rng.standard_normal((2, 40_000))).astype(np.int64)
    frequencies, power = signals.spectrum(noise, CLOCK_HZ)
    assert np.mean(power[2:]) == pytest.approx(40.0, abs=0.2)
    assert frequencies[0] == 0 and frequencies[-1] == pytest.approx(CLOCK_HZ / 2e6, rel=0.01)
    assert signals.filtered(SPEC, noise).std() == pytest.approx(100, rel=0.02)


def test_a_tone_is_where_it_belongs():
    k = np.arange(4096)
    tone = np.rint(1000 * np.cos(2 * np.pi * 10e6 / CLOCK_HZ * k)).astype(np.int64)
    for clock_hz, there in ((CLOCK_HZ, 10), (CLOCK_HZ // 2, 5)):
        frequencies, power = signals.spectrum(np.stack([tone, 0 * tone]), clock_hz)
        assert frequencies[np.argmax(power)] == pytest.approx(there, abs=0.2)


def test_a_receiver_of_one_quadrature_shows_each_value_against_the_next():
    smooth = np.arange(4000.0)[None]
    points = signals.constellation(DigitiserSpec(quadratures=1), smooth, 1)
    assert np.array_equal(points[1], points[0] + 4)
