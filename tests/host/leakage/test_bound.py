"""What every bound does, whatever its formula: ranges, shapes and names."""

import numpy as np
import pytest

from shotveil.host.leakage.bound import (
    data_bound,
    half_log2_1p,
    spectrum_bound,
    weight_bound,
)
from shotveil.models.common.checks import RangeError

WORDS = {"label": "somebody", "covers": "Somebody.", "order": 1}


@data_bound(theorem=False, **WORDS)
def plain(g, rows, modes, coherent):
    """Doc."""
    assert all(each.dtype == np.float64 for each in (g, rows, modes, coherent))
    return g + 10 * rows + 100 * modes + 1000 * coherent


@weight_bound(theorem=True, **WORDS)
def proved(inferences, modulation_variance, transmittance, excess_noise):
    return inferences * modulation_variance + 100 * transmittance + 1000 * excess_noise


def test_a_bound_bears_its_functions_name_and_says_what_it_is():
    assert (plain.name, proved.name) == ("plain", "proved")
    assert plain.described == "plain: somebody"
    assert proved.described == "proved: somebody, a theorem"
    assert plain.covers == "Somebody." and plain.order == 1
    with pytest.raises(AttributeError):
        plain.name = "other"


def test_arguments_reach_the_formula_in_their_order():
    assert plain(1, 2, 3) == 321
    assert plain([0, 1], 2, 3).tolist() == [320, 321]
    assert plain(1, 2, 3, 4) == 4321
    assert isinstance(plain(1, 2, 3), float)
    assert proved(2, 3, 0.5, 0.25) == 6 + 50 + 250


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((-0.1, 1, 1), r"excess noise quantum g = -0.1 is outside \[0, ∞\)"),
        ((0, 0, 1), r"rows = 0 is outside the integers in \[1, ∞\)"),
        ((0, 1.5, 1), "rows = 1.5 is outside the integers"),
        ((0, 1, 0), r"modes = 0 is outside the integers in \[1, ∞\)"),
        ((0, 1, 1.5), "modes = 1.5 is outside the integers"),
        ((0, 1, 1, -1), r"coherent photons = -1 is outside \[0, ∞\)"),
    ],
)
def test_a_data_bound_refuses(arguments, message):
    assert plain(0, 1, 1) == 110  # the ends of the ranges are in them
    with pytest.raises(RangeError, match=message):
        plain(*arguments)


# What no bound on the weights takes, whether it knows their spectrum or not.
OUT_OF_RANGE = pytest.mark.parametrize(
    "arguments, message",
    [
        ((-1, 0, 0, 0), r"inferences = -1 is outside the integers in \[0, ∞\)"),
        ((0.5, 0, 0, 0), "inferences = 0.5 is outside the integers"),
        ((0, -1, 0, 0), r"modulation_variance = -1 is outside \[0, ∞\)"),
        ((0, 0, -0.1, 0), r"transmittance = -0.1 is outside \[0, 1\]"),
        ((0, 0, 1.1, 0), r"transmittance = 1.1 is outside \[0, 1\]"),
        ((0, 0, 0, -1), r"excess_noise = -1 is outside \[0, ∞\)"),
    ],
)


@OUT_OF_RANGE
def test_a_weight_bound_refuses(arguments, message):
    assert proved(0, 0, 0, 0) == 0 and proved(0, 0, 1, 0) == 100
    with pytest.raises(RangeError, match=message):
        proved(*arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 1, 0, 1, 0), r"lit share = 0 is outside \(0, 1\]"),
        ((1.5, 1, 0, 1, 0), r"lit share = 1.5 is outside \(0, 1\]"),
        ((1, 1, -1, 1, 0), r"modulation_variance = -1 is outside \[0, ∞\)"),
        ((1, 1, 0, 1, -1), r"excess_noise = -1 is outside \[0, ∞\)"),
        ((1, 0.5, 0, 1, 0), "inferences = 0.5 is outside the integers"),
    ],
)
def test_light_in_a_share_of_the_modes_is_refused_alike(arguments, message):
    # All light and all noise are in a quarter of the modes, whose mean is a quarter of theirs.
    assert proved.over_lit(0.25, 3, 0.5, 1, 0.1) == (3 * 0.5 / 0.25 + 100 + 1000 * 0.1 / 0.25) / 4
    assert proved.over_lit(1, 0, 0, 0, 0) == 0
    with pytest.raises(RangeError, match=message):
        proved.over_lit(*arguments)


@spectrum_bound(theorem=True, **WORDS)
def shaped(spectrum, inferences, modulation_variance, transmittance, excess_noise):
    return len(spectrum) + proved.function(
        inferences, modulation_variance, transmittance, excess_noise
    )


@OUT_OF_RANGE
def test_a_bound_of_a_spectrum_refuses(arguments, message):
    assert shaped("abc", 0, 0, 0, 0) == 3 and shaped("abc", 2, 5, 1, 0) == 113
    with pytest.raises(RangeError, match=message):
        shaped("abc", *arguments)


def test_half_a_logarithm():
    assert half_log2_1p(np.array(3.0)) == 1
    assert half_log2_1p(np.array(1e-20)) == pytest.approx(0.5e-20 / np.log(2), rel=1e-12)
