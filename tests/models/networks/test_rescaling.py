import numpy as np

from shotveil.host.run.noise import noisy_outputs
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import LayerShape, chain
from shotveil.models.networks.rescaling import rescaled

RNG = np.random.default_rng(3)
X = RNG.normal(size=(50, 6)).astype(np.float32)


def network(between=None, bias=False):
    """6-9-4-3, whose hidden units differ in size by orders of magnitude."""
    layers = []
    for rows, inputs in ((9, 6), (4, 9), (3, 4)):
        weights = RNG.normal(size=(rows, inputs + bias)) * 10 ** RNG.uniform(-2, 2, (rows, 1))
        layers.append(Layer(weights, bias))
    shapes = [LayerShape(layer.rows, layer.columns, bias) for layer in layers]
    return Network("uneven", tuple(layers), {}, chain(shapes, between))


def test_outputs_stay_and_norms_become_equal():
    for bias in (False, True):
        uneven = network(bias=bias)
        even = rescaled(uneven)
        np.testing.assert_allclose(even.forward(X), uneven.forward(X), rtol=1e-3, atol=1e-3)
        # The last hidden layer is done last, so there the norms are equal.
        incoming = np.linalg.norm(even.layers[1].weights, axis=1)
        outgoing = np.linalg.norm(even.layers[2].weights[:, :4], axis=0)
        np.testing.assert_allclose(incoming, outgoing, rtol=1e-5)
        assert even.about["rescaled"] and even.plan is uneven.plan


def test_noise_disturbs_less():
    uneven = network()
    error = []
    for one in (uneven, rescaled(uneven)):
        values = one.plan.begin(np.repeat(X, 200, axis=0))
        noisy = noisy_outputs(one, values, 10.0, np.random.default_rng(1))
        error.append(np.square(noisy - np.repeat(one.forward(X), 200, axis=0)).mean())
    assert error[1] < 0.5 * error[0]


def test_other_activations_are_left_alone():
    for kind, changes in (("leaky_relu", True), ("tanh", False)):
        between = Operation(kind, {"slope": 0.1} if changes else {})
        uneven = network([[], [between], [between], []])
        even = rescaled(uneven)
        np.testing.assert_allclose(even.forward(X), uneven.forward(X), rtol=1e-3, atol=1e-3)
        assert (even.digest != uneven.digest) is changes


def test_units_without_weights_stay():
    first, second = RNG.normal(size=(3, 6)), RNG.normal(size=(2, 3))
    first[0], second[:, 1] = 0, 0
    uneven = Network("dead", (Layer(first), Layer(second)))
    np.testing.assert_allclose(rescaled(uneven).forward(X), uneven.forward(X), rtol=1e-4, atol=1e-5)
