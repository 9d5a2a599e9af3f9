"""The matched filter against floating point."""

import numpy as np
import pytest

from shotveil.models.digitiser import matched
from shotveil.models.digitiser.matched import Symbols
from shotveil.models.digitiser.spec import DigitiserSpec, fractional_delay
from shotveil.models.signal import pulse

SPEC = DigitiserSpec()


def test_matched_filter_has_no_bias_and_unit_gain():
    rng = np.random.default_rng(5)
    windows = rng.integers(-8192, 8192, (100_000, 32))
    taps = SPEC.coefficients()[32]
    exact = windows @ taps / 2.0**SPEC.coefficient.fraction
    error = matched.model(SPEC, windows, taps) - exact * 2**SPEC.filtered.fraction
    assert np.abs(error).max() <= 0.5
    assert abs(error.mean()) < 0.01
    designed = pulse.design(4, 32, 0.5)
    # Each tap is off by half a unit at most.
    assert np.abs(taps / 2**17 - designed).max() <= 2**-18
    np.testing.assert_allclose(fractional_delay(designed, 0.0), designed, atol=1e-12)


@pytest.mark.parametrize("spec", [SPEC, DigitiserSpec(quadratures=1)])
def test_frames_take_each_symbol_from_its_window(spec):
    rng = np.random.default_rng(6)
    samples = rng.integers(-8192, 8192, (spec.quadratures, 400))
    over = np.zeros(400, bool)
    over[[70, 300]] = True
    starts, fractions, symbols = np.array([3, 170]), np.array([0, 63]), 40
    given = matched.frames(spec, samples, over, starts, fractions, symbols)
    assert given.value.shape == (spec.quadratures, 2, 40)
    for frame, (start, fraction) in enumerate(zip(starts, fractions, strict=True)):
        for k in (0, 1, 39):
            window = slice(start + 4 * k, start + 4 * k + 32)
            taps = spec.coefficients()[fraction]
            due = [round(int(line[window] @ taps) / 2**11) for line in samples]
            assert given.value[:, frame, k].tolist() == due
            assert given.over[frame, k] == over[window].any()
    # A window is marked from the sample's first place in it to its last.
    marked = np.nonzero(given.over[0])[0]
    assert marked.tolist() == [k for k in range(40) if 3 + 4 * k <= 70 < 3 + 4 * k + 32]
    assert not matched.frames(spec, samples, 0 * over, starts, fractions, symbols).over.any()
    # Other taps take the place of the table.
    ones = np.full((64, 32), 1 << 11)
    summed = matched.frames(spec, samples, over, starts, fractions, symbols, ones)
    assert summed.value[0, 1, 2] == samples[0, 178 : 178 + 32].sum()


def test_values_cannot_be_changed_once_they_are_checked():
    assert Symbols.__dataclass_params__.frozen
