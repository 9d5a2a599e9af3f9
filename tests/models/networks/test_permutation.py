"""Hidden units in another order: the same function, other matrices."""

import math

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.permutation import order_bits, permuted


def forward(network, data):
    return network.plan.run(data, network.products)


def test_outputs_stay_and_matrices_do_not():
    rng = np.random.default_rng(3)
    network = Network(
        "deep",
        (
            Layer(rng.normal(size=(24, 13)), bias=True),
            Layer(rng.normal(size=(9, 25)), bias=True),
            Layer(rng.normal(size=(4, 9))),
        ),
    )
    other = permuted(network, rng)
    data = rng.normal(size=(50, 12)).astype(np.float32)
    np.testing.assert_allclose(forward(other, data), forward(network, data), rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(other.layers[:2], network.layers[:2], strict=True):
        assert ours.bias and not np.array_equal(ours.weights, theirs.weights)
        np.testing.assert_array_equal(np.sort(ours.weights[:, -1]), np.sort(theirs.weights[:, -1]))
    assert not np.array_equal(permuted(network, rng).layers[0].weights, other.layers[0].weights)
    assert other.digest != network.digest


def test_networks_without_hidden_units_are_refused():
    single = Network("single", (Layer(np.ones((3, 4))),))
    with pytest.raises(RangeError, match="single cannot be permuted; allowed: whole"):
        permuted(single, np.random.default_rng(1))
    patched = Network("patched", (Layer(np.ones((3, 4)), patches=2), Layer(np.ones((2, 3)))))
    with pytest.raises(RangeError, match="patched cannot be permuted"):
        permuted(patched, np.random.default_rng(1))


def test_an_order_holds_the_logarithm_of_the_number_of_orders():
    assert order_bits(1) == pytest.approx(0, abs=1e-12)
    assert order_bits(5) == pytest.approx(math.log2(120))
