import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import (
    EncodedRows,
    directions,
    encode_rows,
    modes_of,
    pair,
    unpair,
)


@pytest.mark.parametrize("columns", [1, 2, 5, 784])
def test_unpair_undoes_pair(columns):
    values = np.random.default_rng(0).normal(size=(3, columns))
    x, p = pair(values)
    assert x.shape == p.shape == (3, modes_of(columns))
    np.testing.assert_array_equal(unpair(x + 1j * p, columns), values)


@pytest.mark.parametrize("columns", [4, 5])
def test_rows_carry_the_modulation_variance_in_every_quadrature_on_average(columns):
    weights = np.random.default_rng(1).normal(size=(7, columns))
    rows = encode_rows(weights, 12.0)
    assert np.mean([rows.x**2, rows.p**2]) == pytest.approx(12)
    np.testing.assert_allclose(rows.x, rows.scale * weights[:, 0::2])


def test_inner_product_of_light_and_direction_is_that_of_weights_and_data():
    rng = np.random.default_rng(2)
    weights, data = rng.normal(size=(4, 5)), rng.normal(size=(3, 5))
    rows = encode_rows(weights, 8.0)
    xi, norms = directions(data)
    inner = (xi.conj() @ (rows.x + 1j * rows.p).T).real * norms[:, None] / rows.scale
    np.testing.assert_allclose(inner, data @ weights.T)
    np.testing.assert_allclose(np.linalg.norm(xi, axis=1), 1)


def test_data_of_zeros_gets_the_flat_direction_and_norm_zero():
    xi, norms = directions(np.zeros((1, 6)))
    assert norms == 0
    np.testing.assert_allclose(np.abs(xi) ** 2, 1 / 3)


@pytest.mark.parametrize(
    "weights", [np.zeros((2, 2)), np.ones(3), np.ones((0, 2)), [[1.0, np.nan]]]
)
def test_refuses_weights_that_no_light_can_carry(weights):
    with pytest.raises(RangeError):
        encode_rows(weights, 1.0)


@pytest.mark.parametrize("data", [np.ones(3), [[np.inf, 1.0]]])
def test_refuses_data_without_direction(data):
    with pytest.raises(RangeError):
        directions(data)


def test_no_modulation_is_darkness():
    rows = encode_rows(np.ones((2, 4)), 0.0)
    assert rows.scale == 0 and not rows.x.any() and not rows.p.any()


def test_a_block_of_rows_has_the_products_of_its_own_rows():
    rng = np.random.default_rng(4)
    rows = encode_rows(rng.normal(size=(7, 10)), 12.0)
    block = rows.block(2, 5)
    alone = EncodedRows(rows.x[2:5], rows.p[2:5], rows.scale)
    assert block.rows == 3 and block.scale == rows.scale
    np.testing.assert_array_equal(block.products, alone.products)
    expected = [(rows.x**2).sum(1), (rows.p**2).sum(1), (rows.x * rows.p).sum(1)]
    np.testing.assert_allclose(rows.products, expected)
