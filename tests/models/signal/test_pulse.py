import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import Q
from shotveil.models.signal import pulse


@pytest.mark.parametrize(
    "samples, taps", [(3, 30), (3, 33), (4, 32), (4, 64), (5, 40), (8, 64), (16, 128)]
)
def test_designed_pulse_has_no_interference(samples, taps):
    h = pulse.design(samples, taps)
    assert h.shape == (taps,)
    np.testing.assert_allclose(h, h[::-1], atol=1e-15)
    assert h @ h == pytest.approx(1, abs=1e-12)
    assert pulse.interference(h, samples) < 1e-25


def test_designed_pulse_against_the_cut_root_raised_cosine():
    cut = pulse.root_raised_cosine((np.arange(32) - 15.5) / 4, 0.5)
    assert 10 * np.log10(pulse.interference(cut, 4)) == pytest.approx(-51, abs=0.5)
    # Freedom from interference costs nothing in the stop band at this roll-off.
    ours, theirs = (pulse.out_of_band(h, 4, 0.5) for h in (pulse.design(), cut))
    assert 10 * np.log10(ours) < -40.5
    assert ours < 1.1 * theirs


def test_two_samples_a_symbol_keep_the_root_raised_cosine():
    assert 10 * np.log10(pulse.interference(pulse.design(2, 32), 2)) < -64


def test_root_raised_cosine_is_continuous_at_its_singularities_and_root_nyquist():
    for rolloff in (0.25, 0.5, 1.0):
        for t in (0.0, 1 / (4 * rolloff)):
            at, near = pulse.root_raised_cosine([t, t + 1e-5], rolloff)
            assert at == pytest.approx(near, abs=1e-4)
    long = pulse.root_raised_cosine(np.arange(-4000, 4001) / 8, 0.5)
    assert pulse.interference(long, 8) < 1e-10
    assert long @ long / 8 == pytest.approx(1, abs=1e-6)


def test_interference_by_explicit_simulation():
    rng = np.random.default_rng(5)
    h = pulse.root_raised_cosine((np.arange(24) - 11.5) / 4, 0.3)
    symbols = rng.normal(size=20_000)
    line = np.zeros(4 * len(symbols))
    line[::4] = symbols
    received = np.correlate(np.convolve(line, h), h, "valid")[::4] / (h @ h)
    # `valid` correlation of a full convolution starts at the first symbol.
    n = min(len(received), len(symbols))
    error = received[:n] - symbols[:n]
    assert error.var() / symbols.var() == pytest.approx(pulse.interference(h, 4), rel=0.05)


@pytest.mark.parametrize("samples, taps", [(2, 32), (4, 32), (16, 128)])
def test_integer_coefficients_cannot_overflow(samples, taps):
    to = Q(2, 16)
    h = pulse.design(samples, taps)
    c = pulse.coefficients(h, samples, to)
    worst = np.abs(c.reshape(-1, samples)).sum(axis=0).max()
    assert 2**16 - 1 - taps / samples <= worst <= 2**16 - 1
    limit = pulse.interference(h, samples) + 1e-8
    assert pulse.interference(c, samples) < limit


def test_hold():
    np.testing.assert_array_equal(pulse.hold(2, 8, Q(2, 4)), [16, 16, 0, 0, 0, 0, 0, 0])
    with pytest.raises(RangeError, match="reach 1"):
        pulse.hold(2, 8, Q(1, 15))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((4, 30, 0.5), "taps = 30 is not a multiple of samples_per_symbol = 4"),
        ((1, 32, 0.5), r"samples_per_symbol = 1 is outside .*\[2, 16\]"),
        ((4, 4, 0.5), "taps = 4 is outside"),
        ((4, 32, 0.0), "rolloff = 0 is outside"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(RangeError, match=message):
        pulse.design(*arguments)


def test_a_pulse_of_zeros_is_refused():
    with pytest.raises(RangeError, match="differs from 0"):
        pulse.coefficients(np.zeros(32), 4, Q(2, 16))
