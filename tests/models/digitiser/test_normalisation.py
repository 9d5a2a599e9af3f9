"""Offset and shot-noise units against floating point."""

from fractions import Fraction

import numpy as np
import pytest

from shotveil.models.digitiser import normalisation
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec

SPEC = DigitiserSpec()


def test_offset_is_the_mean_of_the_vacuum():
    rng = np.random.default_rng(6)
    value = np.rint(rng.normal(1234.5, 16000, (2, 4096))).astype(np.int64)
    state = normalisation.NormalisationState.reset(SPEC)
    settings = DigitiserSettings(offset_shift=15)
    yes = np.ones(4096, bool)
    normalisation.model(SPEC, settings, state, value, yes, yes)
    found = np.array(state.offset) / 2**SPEC.offset_guard
    # A running mean whose weights differ by up to 2: no worse than half the symbols.
    assert np.abs(found - 1234.5).max() < 4 * 16000 / np.sqrt(2048)
    # With the offset known, nothing on the path adds one.
    state = normalisation.NormalisationState([int(1234.5 * 2**16)] * 2, 2**15 - 1)
    still = np.zeros(4096, bool)
    out, _ = normalisation.model(SPEC, settings, state, value, still, yes)
    ideal = (value - 1234.5) / 64 * settings.scale[0] / 2**22
    error = out - ideal * 2**11
    assert np.abs(error).max() <= 0.5 + 0.5 * settings.scale[0] / 2**14 + 1e-9
    assert abs(error.mean()) < 0.01 + 3 * error.std() / np.sqrt(error.size)


@pytest.mark.parametrize("spec", [SPEC, DigitiserSpec(quadratures=1)])
def test_the_offset_takes_one_step_for_each_good_vacuum_symbol(spec):
    """Gains of 1, ½, ¼, ¼, … down to 2^−offset_shift, on what is good and vacuum alone."""
    settings = DigitiserSettings(offset_shift=2, scale=(1 << 14, 1 << 13))
    state = normalisation.NormalisationState.reset(spec)
    value = np.array([[640, 64, 1280, -640, 0, 999, 320, 64]] * spec.quadratures)
    vacuum = np.array([1, 0, 1, 1, 1, 1, 1, 0], bool)
    good = np.array([1, 1, 1, 0, 1, 0, 1, 1], bool)
    out, limited = normalisation.model(spec, settings, state, value, vacuum, good)
    unit = 1 << spec.offset_guard
    offsets, offset, seen = [], 0, 0
    for v, use in zip(value[0].tolist(), (vacuum & good).tolist(), strict=True):
        offsets.append(offset)  # a symbol does not see the offset that it makes
        if use:
            offset += (v * unit - offset) >> min(seen.bit_length(), 2)
            seen += 1
    assert state.offset == [offset] * spec.quadratures and state.seen == seen == 4
    for row, scale in zip(out, settings.scale, strict=False):
        # Centred to 1/8 step; 2^-22 a unit of scale, 2^-11 a unit of symbol.
        centred = [round(Fraction(v * unit - o, unit * 8)) for v, o in
                   zip(value[0].tolist(), offsets, strict=True)]  # fmt: skip
        assert row.tolist() == [round(Fraction(c * scale, 2**14)) for c in centred]
    assert not limited.any()


def test_the_count_of_vacuum_symbols_stops_at_its_end():
    settings = DigitiserSettings(offset_shift=15)
    most = 2**15 - 1
    state = normalisation.NormalisationState([0, 0], most - 1)
    yes = np.ones(3, bool)
    normalisation.model(SPEC, settings, state, np.zeros((2, 3), np.int64), yes, yes)
    assert state.seen == most
    # At the end, a symbol moves the offset by 2^−15 of its distance.
    normalisation.model(SPEC, settings, state, np.full((2, 1), 64), yes[:1], yes[:1])
    assert state.offset == [64 << 16 >> 15] * 2


def test_what_no_format_holds_is_limited_and_marked():
    state = normalisation.NormalisationState([0, -(1 << 37)], 0)
    settings = DigitiserSettings(scale=(SPEC.scale.highest, 1))
    still, yes = np.zeros(5, bool), np.ones(5, bool)
    value = np.array([[2_000_000, 0, 0, -2_000_000, 4000], [0, 0, 1 << 21, -4000, 0]])
    out, limited = normalisation.model(SPEC, settings, state, value, still, yes)
    assert out[0].tolist()[:4] == [SPEC.symbol.highest, 0, 0, SPEC.symbol.lowest]
    # The difference overflows where value and offset add up, though the product is small.
    assert limited.tolist() == [True, True, True, True, True]
    state.offset[1] = 0
    value[1] = 0
    out, limited = normalisation.model(SPEC, settings, state, value, still, yes)
    assert limited.tolist() == [True, False, False, True, False]
    assert out[0, 4] == round(500 * SPEC.scale.highest / 2**14)
