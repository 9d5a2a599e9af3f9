"""Chains with a cut, and the comparison with the model that they came from."""

import numpy as np
import pytest

from shotveil.host.compile.source import ChainSource, Linear, light_of, require_same
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import LayerShape

RNG = np.random.default_rng(1)
W, B, V = RNG.normal(size=(4, 3)), RNG.normal(size=4), RNG.normal(size=(2, 4))


def source(outputs_of=lambda x: np.tanh(x @ W.T + B) @ V.T):
    parts = (Linear("w", "Linear", W, B), Operation("tanh"), Linear("v", "Linear", V))
    return ChainSource("made", (3,), parts, outputs_of)


@pytest.mark.parametrize("cut", [0, 1])
def test_layers_behind_the_cut_are_private_and_the_others_public(cut):
    network, data = source().network(cut), RNG.normal(size=(5, 3))
    assert [layer.rows for layer in network.layers] == [4, 2][cut:]
    assert require_same(source(), network, data) < 1e-6
    kinds = [getattr(step.does, "kind", "private") for step in network.plan.steps]
    assert kinds == [["private", "linear"][cut], "tanh", "private"]


def test_another_result_than_the_models_is_refused():
    wrong = source(lambda x: np.tanh(x @ W.T + B) @ V.T + 0.01)
    with pytest.raises(RangeError, match=r"differs from its model by 0\.0\d+; allowed"):
        require_same(wrong, wrong.network(0), RNG.normal(size=(5, 3)))
    narrow = source(lambda x: x)
    with pytest.raises(RangeError, match="has outputs of shape"):
        require_same(narrow, narrow.network(0), RNG.normal(size=(5, 3)))


def test_a_cut_behind_the_last_layer_is_refused():
    with pytest.raises(RangeError, match="no private layer"):
        source().network(2)


def test_sizes_and_light():
    linear = source().linears[0]
    assert (linear.size, linear.modes, linear.layer.bias) == (16, 2, True)
    assert light_of(LayerShape(4, 5, patches=3)) == 4 * 3 * 3
    zero = Linear("none", "Gemm", np.zeros((2, 2)))
    with pytest.raises(RangeError, match="Gemm of node none: layer weights are all 0"):
        _ = zero.layer
