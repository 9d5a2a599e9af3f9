"""Fixed-point numbers against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import (
    Overflow,
    Q,
    Rounding,
    constrain,
    overflows,
    quantise,
    rescale,
    round_shift,
    to_float,
)

formats = st.builds(Q, st.integers(-3, 20), st.integers(4, 20), st.booleans())
roundings = st.sampled_from(Rounding)
overflow = st.sampled_from(Overflow)


def exact_round(value: Fraction, rounding: Rounding) -> int:
    """Rounding by definition, in exact arithmetic."""
    floor = value.numerator // value.denominator
    rest = value - floor
    if rounding is Rounding.FLOOR or rest < Fraction(1, 2):
        return floor
    if rest > Fraction(1, 2) or rounding is Rounding.HALF_UP:
        return floor + 1
    return floor + floor % 2


@given(st.integers(-(2**55), 2**55), st.integers(-5, 20), roundings)
def test_round_shift_is_rounding_by_definition(raw, bits, rounding):
    assert round_shift(raw, bits, rounding) == exact_round(raw * Fraction(2) ** -bits, rounding)


@given(st.integers(-(2**55), 2**55), formats, overflow)
def test_constrain(raw, to, how):
    held = int(constrain(raw, to, how))
    assert to.lowest <= held <= to.highest
    assert bool(overflows(raw, to)) == (not to.lowest <= raw <= to.highest)
    if how is Overflow.WRAP:
        assert (held - raw) % 2**to.width == 0
    else:
        assert held == min(max(raw, to.lowest), to.highest)


@given(st.data(), formats, formats, roundings, overflow)
def test_rescale_goes_by_value(data, source, to, rounding, how):
    raw = data.draw(st.integers(source.lowest, source.highest))
    rounded = exact_round(Fraction(raw) * Fraction(2) ** (to.fraction - source.fraction), rounding)
    assert rescale(raw, source, to, rounding, how) == constrain(rounded, to, how)


@given(st.floats(-300, 300), st.integers(0, 20), roundings)
def test_quantise_is_rounding_by_definition(value, fraction, rounding):
    to = Q(12, fraction)
    assert quantise(value, to, rounding) == exact_round(Fraction(value) * 2**fraction, rounding)


def test_quantise_sees_the_number_just_below_a_tie():
    assert quantise(np.nextafter(0.5, 0), Q(4, 0), Rounding.HALF_UP) == 0


@given(formats.filter(lambda q: q.width <= 53), st.data())
def test_to_float_and_back(to, data):
    raw = data.draw(st.integers(to.lowest, to.highest))
    assert quantise(to_float(raw, to), to) == raw


@pytest.mark.parametrize(
    "rounding, mean",
    [(Rounding.FLOOR, -0.46875), (Rounding.HALF_UP, 0.03125), (Rounding.HALF_EVEN, 0)],
)
def test_mean_error_of_each_rounding(rounding, mean):
    raw = np.arange(-(2**10), 2**10)
    error = round_shift(raw, 4, rounding) - raw / 16
    assert error.mean() == mean


def test_refusal_names_value_and_range():
    with pytest.raises(
        RangeError, match=r"^gain = 2 is outside \[-2, 1\.99998474\d*\], the range of Q2\.16$"
    ):
        quantise([0.5, 2.0], Q(2, 16), name="gain")
    with pytest.raises(RangeError, match="gain"):
        quantise(float("nan"), Q(2, 16), name="gain")
    with pytest.raises(RangeError, match="value needs more than 62 bits"):
        quantise(1e30, Q(2, 16))
    with pytest.raises(RangeError, match="width"):
        Q(40, 40)
    assert quantise(2.0, Q(2, 16), overflow=Overflow.SATURATE) == 2**17 - 1
    assert quantise(2.0, Q(2, 16), overflow=Overflow.WRAP) == -(2**17)


def test_names():
    assert (str(Q(1, 15)), str(Q(0, 18, signed=False))) == ("Q1.15", "UQ0.18")
    assert (Q(1, 15).lowest, Q(1, 15).highest, Q(1, 15).width) == (-32768, 32767, 16)
    assert Q(0, 3, signed=False).highest == 7


def test_widths_have_ends_and_parts_are_whole():
    assert Q(62, 0).width == Q(-3, 65).width == Q(0, 62).width == 62
    assert Q(1, 0).width == 1 and (Q(1, 0).lowest, Q(1, 0).highest) == (-1, 0)
    for parts in ((63, 0), (0, 0), (2, -2)):
        with pytest.raises(RangeError, match="width = "):
            Q(*parts)
    with pytest.raises(RangeError, match=r"fraction bits = 0\.5"):
        Q(3, 0.5)
    with pytest.raises(RangeError, match=r"width = 4\.5"):
        Q(1.5, 3)
    assert Q(2, 3).lsb == 1 / 8 and Q(1, 15, signed=False).lowest == 0
    assert hash(Q(1, 15)) == hash(Q(1, 15))


def test_quantise_of_arrays_and_of_ends():
    to = Q(4, 1)
    values = [0.25, 0.75, 1.25, -0.25, -0.75, 7.5, -8.0]
    assert quantise(values, to).tolist() == [0, 2, 2, 0, -2, 15, -16]
    assert quantise(values, to, Rounding.HALF_UP).tolist() == [1, 2, 3, 0, -1, 15, -16]
    assert quantise(values, to, Rounding.FLOOR).tolist() == [0, 1, 2, -1, -2, 15, -16]
    for wrong in (7.75, -8.5):
        with pytest.raises(RangeError, match=rf"^x = {wrong:g} is outside \[-8, 7\.5\]"):
            quantise([0.0, wrong], to, name="x")
    assert quantise([1e30, -1e30], to, overflow=Overflow.SATURATE).tolist() == [15, -16]
    assert quantise(2.0**61, Q(62, 0), overflow=Overflow.WRAP) == -(2**61)
    assert quantise(2.0**62, Q(62, 0), overflow=Overflow.WRAP) == 0
    with pytest.raises(RangeError, match="more than 62 bits"):
        quantise(2.0**62 * (1 + 2**-52), Q(62, 0), overflow=Overflow.WRAP)


def test_values_cannot_be_changed_once_they_are_checked():
    assert Q.__dataclass_params__.frozen
