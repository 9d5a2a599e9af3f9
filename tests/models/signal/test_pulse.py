from types import SimpleNamespace

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


def test_a_design_is_shared_and_cannot_be_written():
    for samples, taps in ((4, 32), (2, 32)):
        with pytest.raises(ValueError, match="read-only"):
            pulse.design(samples, taps)[0] = 1


def test_a_search_that_finds_no_pulse_says_so(monkeypatch):
    nothing = SimpleNamespace(x=np.zeros(18))
    monkeypatch.setattr(pulse, "minimize", lambda *args, **options: nothing)
    message = r"samples_per_symbol = 4, taps = 36, rolloff = 0\.37: use more taps or more roll-off"
    with pytest.raises(RangeError, match=message), np.errstate(invalid="ignore"):
        pulse.design(4, 36, 0.37)


def test_energy_above_the_band_edge_by_its_integral():
    h = pulse.design(4, 32, 0.5)
    frequency = (np.arange(4000) + 0.5) / 4000 * 0.5
    spectrum = np.abs(np.exp(-2j * np.pi * np.outer(frequency, np.arange(32))) @ h) ** 2
    above = spectrum[frequency > 1.5 / 8].sum() / spectrum.sum()
    assert pulse.out_of_band(h, 4, 0.5) == pytest.approx(above, rel=2e-3)
    assert pulse.out_of_band(3 * h, 4, 0.5) == pytest.approx(pulse.out_of_band(h, 4, 0.5))


def test_correlations_at_the_symbol_instants():
    h = np.array([1.0, 2, 3, 4, 5, 6])
    assert pulse.autocorrelation(h, 2).tolist() == [91, 1 * 3 + 2 * 4 + 3 * 5 + 4 * 6, 5 + 12]
    assert pulse.interference(h, 2) == pytest.approx(2 * (50**2 + 17**2) / 91**2)


@pytest.mark.parametrize("samples, taps, fits", [
    (2, 4, True), (16, 1024, True), (16, 32, True), (2, 1024, True),
    (1, 4, False), (17, 34, False), (4, 7, False), (4, 1028, False), (4, 34, False),
    (16, 31, False), (2.5, 10, False), (2, 6.5, False),
])  # fmt: skip
def test_shapes_of_a_pulse(samples, taps, fits):
    if fits:
        pulse.require_shape(samples, taps)
    else:
        with pytest.raises(RangeError):
            pulse.require_shape(samples, taps)


@pytest.mark.parametrize("rolloff", [0.0, -0.1, 1.01])
def test_rolloff_has_ends(rolloff):
    with pytest.raises(RangeError, match="rolloff = "):
        pulse.root_raised_cosine(0.0, rolloff)


def test_a_hold_fits_the_smallest_format_that_reaches_one():
    assert pulse.hold(4, 8, Q(2, 3)).tolist() == [8] * 4 + [0] * 4
    with pytest.raises(RangeError, match=r"reach 1, Q1\.3 ends below it"):
        pulse.hold(4, 8, Q(1, 3))
    with pytest.raises(RangeError, match="taps = 9"):
        pulse.hold(4, 9, Q(2, 3))
    with pytest.raises(RangeError, match="pulse = nan"):
        pulse.coefficients([np.nan] * 8, 4, Q(2, 3))
    # One phase with all of the pulse's size decides: (2^4 − 1 − ½·2)·h/Σ|h|.
    assert pulse.coefficients([0, 1.0, 0, -0.5], 2, Q(2, 4)).tolist() == [0, 9, 0, -5]
