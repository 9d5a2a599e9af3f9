"""Pulse shaping against a plain convolution."""

import numpy as np
import pytest

from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive import shaping
from shotveil.models.drive.spec import DriveSpec

SPEC = DriveSpec()
OTHER = DriveSpec(samples_per_symbol=3, taps=21, dac_bits=12, arcsine_segments=128)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def uniform(rng, q, n, fraction=1.0):
    limit = int(q.highest * fraction)
    return rng.integers(-limit, limit + 1, (2, n))


@pytest.mark.parametrize("spec", [SPEC, OTHER])
def test_shaping_is_interpolation_by_the_pulse(spec, rng):
    symbols = uniform(rng, spec.scaled, 5000)
    quiet = np.zeros(5000, dtype=bool)
    out, limited = shaping.model(spec, spec.pulse(), symbols, quiet)
    line = np.zeros((2, 5000 * spec.samples_per_symbol))
    line[:, :: spec.samples_per_symbol] = to_float(symbols, spec.scaled)
    taps = to_float(spec.pulse(), spec.coefficient)
    exact = np.stack([np.convolve(arm, taps)[: line.shape[1]] for arm in line])
    error = to_float(out, spec.sample) - exact
    # Products and sum are exact, so there is one rounding to nearest: half a unit.
    assert np.abs(error).max() <= spec.sample.lsb / 2 * (1 + 1e-9)
    assert abs(error.mean()) <= 0.01 * spec.sample.lsb
    assert not limited.any()


def test_shaping_of_the_worst_symbols_does_not_saturate():
    """The signs that line up with the taps of each phase reach the largest sample there is."""
    taps = SPEC.pulse().reshape(SPEC.span, -1)
    for phase in range(SPEC.samples_per_symbol):
        signs = np.where(taps[::-1, phase] >= 0, SPEC.scaled.highest, SPEC.scaled.lowest)
        for worst in (signs, -signs - 1):
            symbols = np.stack([worst, worst])
            out, limited = shaping.model(SPEC, SPEC.pulse(), symbols, np.zeros(SPEC.span, bool))
            assert not limited.any()
    assert np.abs(out).max() > 0.8 * SPEC.sample.highest


def test_shaping_marks_what_it_limits_and_what_was_wrong():
    symbols = np.full((2, 4), SPEC.scaled.highest)
    taps = np.full(SPEC.taps, SPEC.coefficient.highest)
    out, limited = shaping.model(SPEC, taps, symbols, np.zeros(4, dtype=bool))
    assert limited.all()
    assert np.all(out == SPEC.sample.highest)
    _, marked = shaping.model(SPEC, SPEC.pulse(), symbols, np.array([False, True, False, False]))
    assert np.nonzero(marked)[0].tolist() == [4, 5, 6, 7]


def test_hold_repeats_symbols_exactly(rng):
    symbols = uniform(rng, SPEC.scaled, 100)
    out, _ = shaping.model(SPEC, SPEC.hold(), symbols, np.zeros(100, dtype=bool))
    np.testing.assert_array_equal(out, np.repeat(symbols, SPEC.samples_per_symbol, axis=-1))


def test_many_rows_at_once_are_each_alone(rng):
    symbols = rng.integers(-60000, 60000, (3, 2, 50))
    fault = rng.random((3, 50)) < 0.2
    out, limited = shaping.model(SPEC, SPEC.pulse(), symbols, fault)
    assert out.shape == (3, 2, 200) and limited.shape == (3, 200)
    for k in range(3):
        alone, wrong = shaping.model(SPEC, SPEC.pulse(), symbols[k], fault[k])
        np.testing.assert_array_equal(out[k], alone)
        np.testing.assert_array_equal(limited[k], wrong)
    assert np.all(limited[np.repeat(fault, 4, axis=-1)])


def test_one_quadrature_beyond_the_format_marks_the_pair():
    taps = np.zeros(SPEC.taps, np.int64)
    taps[0] = SPEC.coefficient.highest
    symbols = np.array([[0, SPEC.scaled.highest, 5], [0, 0, SPEC.scaled.lowest]])
    out, limited = shaping.model(SPEC, taps, symbols, np.zeros(3, bool))
    assert np.nonzero(limited)[0].tolist() == [4, 8]
    assert out[:, 4].tolist() == [SPEC.sample.highest, 0]
    assert out[1, 8] == SPEC.sample.lowest
    # In the last phase alone, and one tap of a symbol later.
    taps = np.roll(taps, 7)
    _, limited = shaping.model(SPEC, taps, symbols, np.zeros(3, bool))
    assert np.nonzero(limited)[0].tolist() == [11]
