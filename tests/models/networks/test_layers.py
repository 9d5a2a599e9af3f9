"""The one way through a network: what meets the optics, and what the client makes of it."""

import numpy as np
import pytest

from shotveil.models.link.encoding import unpair
from shotveil.models.networks.layers import through_layers, with_constant
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import LayerShape, chain


def test_a_network_read_without_noise_gives_its_outputs(small_network):
    images = np.random.default_rng(1).random((5, 784)).astype(np.float32)
    seen = []

    def read(number, xi):
        layer = small_network.layers[number]
        np.testing.assert_allclose(np.linalg.norm(xi, axis=1), 1)
        seen.append(number)
        return unpair(xi, layer.columns) @ layer.weights.T

    outputs = through_layers(small_network.plan, images, read)
    assert seen == [0, 1]
    np.testing.assert_allclose(outputs, small_network.forward(images), rtol=1e-4, atol=1e-4)


def test_norms_and_relu_are_the_clients():
    def read(number, xi):
        assert xi.shape == ((2, 1), (2, 2))[number]
        if number:
            # (3, 0) and the constant of the bias; all zero but the constant.
            expected = [[3, 0, 1], [0, 0, 1]] / np.sqrt([[10], [1]])
            np.testing.assert_allclose(unpair(xi, 3), expected, rtol=1e-6)
            return np.array([[-1.0], [-2.0]])
        np.testing.assert_allclose(unpair(xi, 2), [[0.6, 0.8], [1, 0]], rtol=1e-6)
        return np.array([[0.6, -0.4], [-1.0, 0.0]])

    outputs = plan = chain([LayerShape(2, 2), LayerShape(1, 3, bias=True)])
    outputs = through_layers(plan, np.array([[3.0, 4.0], [2.0, 0.0]]), read)
    # After the last layer there is no ReLU.
    np.testing.assert_allclose(outputs, [[-np.sqrt(10)], [-2.0]], rtol=1e-6)


def test_an_empty_image_is_zero_whatever_was_read():
    outputs = through_layers(
        chain([LayerShape(3, 4)]), np.zeros((1, 4)), lambda number, xi: np.ones((1, 3))
    )
    np.testing.assert_array_equal(outputs, np.zeros((1, 3)))


@pytest.mark.parametrize("bias", [False, True])
def test_a_bias_appends_one(bias):
    data = np.array([[2.0, 3.0]])
    given = with_constant(data, bias)
    assert given.dtype == np.float32
    np.testing.assert_array_equal(given, [[2, 3, 1]] if bias else [[2, 3]])


def test_patches_are_directions_of_their_own():
    plan = chain(
        [LayerShape(1, 2, patches=2)], [[Operation("reshape", {"shape": [2, 2]})], []], (4,)
    )
    norms = []

    def read(number, xi):
        norms.append(np.linalg.norm(xi, axis=1))
        return np.ones((4, 1))

    images = np.array([[3.0, 4.0, 6.0, 8.0], [0.0, 0.0, 5.0, 12.0]])
    outputs = through_layers(plan, images, read)
    np.testing.assert_allclose(norms, [np.ones(4)])
    np.testing.assert_allclose(outputs, [[5, 10], [0, 13]])
