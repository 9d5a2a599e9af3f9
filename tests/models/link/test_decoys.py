"""Decoys: as bright as the weights, alike in their moments, and known by a few levels alone."""

import math

import numpy as np
import pytest

from shotveil.models.link.decoys import LEVELS, RowMoments, decoy_rows
from shotveil.models.link.encoding import EncodedRows, encode_rows
from shotveil.models.networks.network import load_network


def test_moments_are_those_of_the_weights_to_a_half_octave():
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(400, 60)) * rng.uniform(0.2, 2, 60) * rng.uniform(0.5, 1.5, (400, 1))
    weights[:, 7] = 0
    rows = encode_rows(weights, 12.0)
    decoys = decoy_rows(rows, 20_000, rng)
    assert np.mean(decoys.x**2) / 2 + np.mean(decoys.p**2) / 2 == pytest.approx(12.0, rel=0.02)
    for sent, drawn in ((rows.x, decoys.x), (rows.p, decoys.p)):
        a, b = np.sqrt(np.mean(sent**2, axis=0)), np.sqrt(np.mean(drawn**2, axis=0))
        assert np.array_equal(a == 0, b == 0)
        ratio = b[a > 0] / a[a > 0]
        assert ratio.min() > 0.75 and ratio.max() < 1.3
    powers = [np.sum(r.x**2 + r.p**2, axis=1) for r in (rows, decoys)]
    spread = [np.std(p) / np.mean(p) for p in powers]
    assert spread[1] == pytest.approx(spread[0], rel=0.35)


def test_decoys_depend_on_the_levels_alone():
    """Two sets of weights with the same levels have the same decoys: nothing else is told."""
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(50, 8))
    first = encode_rows(weights, 3.0)
    other = encode_rows(weights * rng.choice([-1, 1], weights.shape), 3.0)
    assert not np.array_equal(first.x, other.x)
    decoys = [decoy_rows(rows, 5, np.random.default_rng(3)) for rows in (first, other)]
    np.testing.assert_array_equal(decoys[0].x, decoys[1].x)
    # And nothing of them on how strong the light is.
    weak, strong = (RowMoments.of(encode_rows(weights, v)) for v in (0.1, 1e6))
    np.testing.assert_array_equal(weak.columns, strong.columns)
    np.testing.assert_array_equal(weak.rows, strong.rows)


def test_the_bits_count_all_that_could_be_written():
    rows = encode_rows(np.random.default_rng(4).normal(size=(3, 4)), 1.0)
    ways = LEVELS**4 * math.comb(3 + LEVELS - 1, LEVELS - 1)
    assert RowMoments.of(rows).bits == pytest.approx(math.log2(ways))


def test_they_tell_little_of_the_shipped_network():
    network = load_network("mnist")
    bits = sum(RowMoments.of(encode_rows(layer.weights, 1.0)).bits for layer in network.layers)
    assert bits / network.weights < 0.01


class Evenly:
    """Stands for a generator: normals are all 1, and levels come just as often as they should."""

    def choice(self, levels, number, p):
        drawn = np.repeat(np.arange(levels), np.rint(np.asarray(p) * number).astype(int))
        assert len(drawn) == number
        return drawn

    def standard_normal(self, shape):
        return np.ones(shape)


def test_decoys_are_as_bright_as_asked_for():
    """Without chance the mean square is V_A to the last digits, of bright and dark rows alike."""
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(64, 30)) * rng.uniform(0.1, 3, (64, 1)) * rng.uniform(0.2, 2, 30)
    rows = encode_rows(weights, 7.0)
    moments = RowMoments.of(rows)
    assert np.count_nonzero(moments.rows) >= 3
    drawn = moments.draw(7.0, rows.scale, 640, Evenly())
    assert np.mean(drawn.x**2 + drawn.p**2) / 2 == pytest.approx(7.0, rel=1e-12)
    decoys = decoy_rows(rows, 640, Evenly())
    np.testing.assert_array_equal(decoys.x, drawn.x)
    assert decoys.scale == rows.scale


def test_levels_are_half_octaves_of_amplitude():
    """Columns of amplitude 1, √2 and 2 are a level apart, and of 2⁻⁶ of the mean are dark."""
    x = np.array([[1.0, 2**0.5, 2.0, 2.0**-7]])
    rows = EncodedRows(x, np.zeros_like(x), 1.0)
    levels = RowMoments.of(rows).columns
    assert np.diff(levels[0, :3]).tolist() == [1, 1]
    assert levels[0, 3] == 0 and (levels[1] == 0).all()
    # Their mean is at a level of its own: 2⁰ is 11 levels above dark.
    flat = EncodedRows(np.ones((1, 3)), np.ones((1, 3)), 1.0)
    assert (RowMoments.of(flat).columns == 11).all()
    assert RowMoments.of(flat).rows[11] == 1


def test_the_range_of_levels_ends_where_it_should():
    # One column has all the power of 64: 18 levels above the lowest there would be, 15 there are.
    x = np.zeros((1, 64))
    x[0, 0] = 1
    assert RowMoments.of(EncodedRows(x, np.zeros_like(x), 1.0)).columns[0, 0] == LEVELS - 1
    # 2⁻⁵ of the amplitude, 2⁻¹⁰ of the power, is the first that is not dark.
    x = np.full((1, 1000), 1.0)
    x[0, :2] = 2.0**-5, 2.0**-5.6
    p = np.ones_like(x)
    assert RowMoments.of(EncodedRows(x, p, 1.0)).columns[0, :2].tolist() == [1, 0]
