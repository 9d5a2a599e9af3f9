"""Operations in the clear, against formulas written out here or SciPy's own functions."""

import math
import pickle

import numpy as np
import pytest
from scipy.signal import correlate

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.operations import Operation, operation_kinds

X = np.array([[-3.0, -0.5, 0.0, 0.5, 3.0]])


@pytest.mark.parametrize(
    ("kind", "settings", "formula"),
    [
        ("relu", {}, lambda x: max(x, 0)),
        ("leaky_relu", {"slope": 0.01}, lambda x: x if x >= 0 else 0.01 * x),
        ("gelu", {}, lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2))),
        ("tanh", {}, math.tanh),
        ("sigmoid", {}, lambda x: 1 / (1 + math.exp(-x))),
        ("hard_sigmoid", {}, lambda x: min(1, max(0, 0.2 * x + 0.5))),
        ("hard_sigmoid", {"slope": 1 / 6}, lambda x: min(1, max(0, x / 6 + 0.5))),
        ("clip", {"low": -1, "high": 2}, lambda x: min(2, max(-1, x))),
    ],
)
def test_activations(kind, settings, formula):
    found = Operation(kind, settings).run(X)[0]
    np.testing.assert_allclose(found, [[formula(x) for x in X[0]]], atol=1e-15)


def test_gelu_by_tanh_is_near_gelu_and_not_the_same():
    exact, near = Operation("gelu").run(X)[0], Operation("gelu", {"approximate": "tanh"}).run(X)[0]
    assert 1e-6 < np.abs(exact - near).max() < 1e-3


def test_softmax_is_a_distribution_and_does_not_overflow():
    found = Operation("softmax").run(np.array([[1000.0, 1000.0 + math.log(3)]]))[0]
    np.testing.assert_allclose(found, [[0.25, 0.75]])


def test_layer_norm():
    found = Operation(
        "layer_norm", {"epsilon": 0.0}, {"scale": np.array([2.0]), "shift": np.array([1.0])}
    ).run(np.array([[[1.0, 3.0]]]))[0]
    np.testing.assert_allclose(found, [[[-1, 3]]])


def test_shapes_affine_and_sum():
    x = np.arange(12.0).reshape(2, 6)
    folded = Operation("reshape", {"shape": [3, -1]}).run(x)[0]
    assert folded.shape == (2, 3, 2)
    turned = Operation("transpose", {"axes": [0, 2, 1]}).run(folded)[0]
    np.testing.assert_array_equal(turned[1], [[6, 8, 10], [7, 9, 11]])
    scaled = Operation("affine", {}, {"scale": np.full(6, 2.0), "shift": np.ones(6)}).run(x)[0]
    np.testing.assert_array_equal(scaled, 2 * x + 1)
    np.testing.assert_array_equal(Operation("add").run(x, x)[0], 2 * x)
    with pytest.raises(RangeError, match="starts with 0"):
        Operation("transpose", {"axes": [1, 0]}).run(x)


@pytest.mark.parametrize(
    ("strides", "pads", "dilations"),
    [((1, 1), (0, 0, 0, 0), (1, 1)), ((2, 1), (1, 0, 2, 1), (1, 2))],
)
def test_patches_are_what_a_convolution_meets(strides, pads, dilations):
    rng = np.random.default_rng(1)
    x, kernel = rng.normal(size=(2, 3, 7, 8)), rng.normal(size=(5, 3, 3, 2))
    settings = {"kernel": [3, 2], "strides": strides, "pads": pads, "dilations": dilations}
    found = Operation("patches", settings).run(x)[0] @ kernel.reshape(5, -1).T
    padded = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    spread = np.zeros((5, 3, 2 * dilations[0] + 1, dilations[1] + 1))
    spread[:, :, :: dilations[0], :: dilations[1]] = kernel
    for image in range(2):
        for row in range(5):
            whole = correlate(padded[image], spread[row], "valid")[0]
            expected = whole[:: strides[0], :: strides[1]]
            np.testing.assert_allclose(found[image, :, :, row], expected, atol=1e-12)


def test_what_cannot_be_done_is_refused():
    with pytest.raises(RangeError, match="operation = 'conjure' is none of add, affine"):
        Operation("conjure").run(X)
    with pytest.raises(RangeError, match="operation reshape cannot be done"):
        Operation("reshape", {"shape": [7]}).run(X)
    with pytest.raises(RangeError, match="allowed: positive numbers"):
        Operation("patches", {"kernel": [0, 1]}).run(X)
    assert "onnx" in operation_kinds()


def test_an_operation_goes_to_another_process():
    operation = Operation("leaky_relu", {"slope": 0.5})
    before = operation.run(X)[0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(operation)).run(X)[0], before)
