import math
import warnings

import numpy as np
import pytest
from scipy.special import ndtr

from shotveil.host.design.operating_point import Budgets, weight_bits
from shotveil.host.design.width import (
    WANTED,
    light_for_training,
    limit_of,
    stand_in,
    warn_if_narrow,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel

RNG = np.random.default_rng(1)


def two_points(n=400, columns=8):
    """Two classes, each at one point, on opposite sides."""
    classes = np.arange(n) % 2
    return np.outer(1 - 2 * classes, RNG.standard_normal(columns)), classes


def test_opposite_points_are_told_apart_by_the_matching_row():
    """A row along the points reaches the limit: its reading is ±√(2N) in units of its noise/F."""
    x, classes = two_points()
    limit = limit_of(x, classes, rows=1, f2=0.1)
    assert limit.accuracy == pytest.approx(ndtr(math.sqrt(8 * 0.1)), rel=1e-6)
    row = x[0] / np.linalg.norm(x[0])
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    rms = 1 / math.sqrt(8)
    noise = RNG.standard_normal((200, len(x)))
    readings = unit @ row + rms / math.sqrt(0.1) * noise
    right = ((readings > 0) == (classes == 0)).mean()
    assert right == pytest.approx(limit.accuracy, abs=0.006)  # 5 standard errors of 80,000


def test_more_rows_and_more_light_raise_it_alike():
    x, classes = two_points(columns=7)  # an odd row has a mode more
    four = limit_of(x, classes, rows=4, f2=0.1).accuracy
    assert four == pytest.approx(limit_of(x, classes, rows=1, f2=0.4).accuracy)
    assert four == pytest.approx(ndtr(math.sqrt(8 * 0.4)), rel=1e-6)
    assert limit_of(x, classes, 1, 0.1).accuracy < four


def test_the_light_that_is_wanted_and_what_it_leaks():
    x, classes = two_points()
    limit = limit_of(x, classes, rows=1, f2=0.1)
    again = limit_of(x, classes, rows=1, f2=limit.wanted_f2)
    assert again.accuracy == pytest.approx(WANTED, rel=1e-6)
    gains = 1 + np.geomspace(1e-6, 100, 4000)
    photons = Channel().photons_at(gains, limit.wanted_f2)
    bits = weight_bits(stand_in([8, 1]), Channel(), gains, photons)
    assert limit.wanted_bits == pytest.approx(bits.min(), rel=1e-4)
    same = limit_of(np.ones((9, 4)), np.arange(9) % 3, 1, 0.1)
    assert same.accuracy == 0.5 and same.wanted_f2 == same.wanted_bits == math.inf


def test_rare_classes_count_as_much_as_others():
    x, classes = two_points(200)
    extra = np.concatenate([x, np.repeat(x[:1], 2000, axis=0)])
    more = np.concatenate([classes, np.zeros(2000, int)])
    assert limit_of(extra, more, 1, 0.1).accuracy == pytest.approx(
        limit_of(x, classes, 1, 0.1).accuracy
    )


def test_a_warning_gives_the_numbers():
    x, classes = two_points()
    with pytest.warns(UserWarning, match=r"8 columns and 1 rows at F² = 0.001: no weights get"):
        warn_if_narrow(limit_of(x, classes, rows=1, f2=0.001))
    with warnings.catch_warnings(action="error"):
        warn_if_narrow(limit_of(x, classes, rows=1, f2=10))


def test_light_for_training_stays_inside_the_budget():
    network, budgets = stand_in([30, 20, 2], bias=True), Budgets(weight_bits=0.05)
    assert [layer.weights.shape for layer in network.layers] == [(20, 31), (2, 21)]
    most = light_for_training(network, None, budgets)
    gains = 1 + np.geomspace(1e-6, 100, 4000)
    bits = weight_bits(network, Channel(), gains, Channel().photons_at(gains, most))
    assert bits.min() == pytest.approx(0.05, rel=1e-4)
    assert light_for_training(network, 0.9 * most, budgets) == 0.9 * most
    assert light_for_training(network, (0.9 * most, 1.5 * most), budgets)[1] == 1.5 * most
    with pytest.raises(RangeError, match=r"F² = 1 leaks .* with 31-21-2 columns; .* at most 0.05"):
        light_for_training(network, 1.0, budgets)
