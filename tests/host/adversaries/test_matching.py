"""Matching: it wins where rows are told apart, and fails where they are not."""

import math

import numpy as np
import pytest

from shotveil.host.adversaries.matching import MOST_WORK, explained, match, matched, reading_snr
from shotveil.host.leakage.declared import layer_leakage
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Layer, Network


def gaussian(rows, columns, seed=2):
    rng = np.random.default_rng(seed)
    hidden, last = rng.standard_normal((rows, columns)), rng.standard_normal((2, rows))
    return Network("Gaussian", (Layer(hidden), Layer(last)))


def test_few_rows_in_many_inferences_are_sorted_as_if_they_came_in_order():
    steps = []
    outcome = match(gaussian(6, 64), Link(1.3, 40.0), 60, 1, lambda *s: steps.append(s))
    assert outcome.in_order > 0.9 and outcome.recovered > 0.95 * outcome.in_order
    assert (outcome.attack, outcome.bound, outcome.inferences) == ("matching", "holevo", 60)
    assert steps == [(1, 50)] * 50
    assert outcome.learned_bits == pytest.approx(-math.log2(1 - outcome.recovered) / 2)
    assert outcome.learned_bits < outcome.bound_bits  # the order changes no bound


def test_many_rows_in_few_inferences_are_not_sorted():
    outcome = match(gaussian(48, 64), Link(1.3, 6.0), 40, 1)
    assert outcome.recovered < 0.4 * outcome.in_order
    assert outcome.most_hidden_bits == pytest.approx(math.lgamma(49) / math.log(2) / (48 * 64))
    # What the bound says is that of rows in one order: no order is counted.
    allowed = layer_leakage(Link(1.3, 6.0), 48, 64, 40)
    assert outcome.bound_bits == allowed.weight_bounds_bits_after["holevo"]


def test_averages_recover_what_their_noise_leaves():
    outcome = match(gaussian(20, 400), Link(1.3, 12.0), 30, 1)
    total = 30 * outcome.reading_snr
    assert outcome.in_order == pytest.approx(total / (1 + total), abs=0.03)
    assert outcome.reading_snr == pytest.approx(reading_snr(Link(1.3, 12.0), 200))


def test_noise_without_weights_gives_no_rows():
    rng = np.random.default_rng(4)
    truth = rng.standard_normal((8, 50), dtype=np.float32)
    noise = 30 * rng.standard_normal((20, 8, 50), dtype=np.float32)
    found = matched(noise, 900.0, noise[0] / 900, lambda: None)
    assert np.isfinite(found).all() and explained(found, truth) < 0.2
    assert explained(truth[::-1], truth) == pytest.approx(1, abs=1e-5)


def test_more_than_can_be_compared_is_refused():
    with pytest.raises(RangeError, match=r"inferences × rows² × columns = .*; allowed: at most"):
        match(gaussian(100, 100), Link(1.3, 6.0), MOST_WORK // 10**6 + 1, 1)
    with pytest.raises(RangeError, match="cannot be permuted"):
        match(Network("one", (Layer(np.ones((3, 4))),)), Link(1.3, 6.0), 2, 1)
