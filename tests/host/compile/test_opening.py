"""Models of all kinds are told apart without importing what they need not."""

import numpy as np
import onnx
import pytest
from sklearn.linear_model import LinearRegression

from shotveil.host.compile.opening import network_source, source_of
from shotveil.host.compile.source import require_same
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Network, load_network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import ClientPlan, LayerShape, Step

X = np.random.default_rng(1).random((6, 784)).astype(np.float32)


def test_a_network_of_shotveil_can_be_cut_anew():
    network = load_network("mnist-paper")
    source = source_of(network, X)
    assert len(source.linears) == 2 and source.name == "mnist-paper"
    cut = source.network(1)
    assert [layer.rows for layer in cut.layers] == [10]
    require_same(source, cut, X)


def test_a_network_that_is_no_chain_is_not_cut(small_network):
    steps = (
        Step(0, ("input",), ("a",)),
        Step(Operation("add"), ("a", "a"), ("b",)),
    )
    layer = small_network.layers[0]
    plan = ClientPlan((784,), (LayerShape(24, 785, True),), steps, "b")
    with pytest.raises(RangeError, match="is no chain"):
        network_source(Network("x", (layer,), {}, plan))


def test_an_estimator_and_a_model_in_memory():
    w = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)
    nodes = [onnx.helper.make_node("Gemm", ["x", "w"], ["y"], name="dense", transB=1)]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "g", [info("x", 1, ["n", 4])], [info("y", 1, ["n", 3])],
        [onnx.numpy_helper.from_array(w, "w")],
    )  # fmt: skip
    opset = [onnx.helper.make_opsetid("", 17)]
    source = source_of(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), X[:, :4])
    assert source.linears[0].name == "dense"
    fitted = LinearRegression().fit(X, X[:, 0])
    assert source_of(fitted, X, "mine").name == "mine"


def test_another_kind_is_refused():
    with pytest.raises(RangeError, match="model is a dict; allowed: an ONNX file"):
        source_of({}, X)


def test_a_module_of_pytorch_is_exported_as_it_behaves_after_training():
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    torch.manual_seed(1)
    n = torch.nn

    class Sum(n.Module):
        """Two ways that meet again, with a norm, a pooling, and dropout that has to be off."""

        def __init__(self):
            super().__init__()
            self.first = n.Sequential(n.Conv2d(1, 4, 3, padding=1), n.BatchNorm2d(4), n.ReLU())
            self.pool, self.drop = n.AvgPool2d(4), n.Dropout(0.5)
            self.one, self.two, self.end = n.Linear(196, 30), n.Linear(30, 30), n.Linear(30, 3)
            self.norm = n.LayerNorm(30)

        def forward(self, x):
            x = n.functional.gelu(self.one(self.pool(self.first(x)).flatten(1)))
            return self.end(self.norm(self.drop(x) + n.functional.leaky_relu(self.two(x))))

    module, images = Sum().train(), X.reshape(6, 1, 28, 28)
    source = source_of(module, images)
    assert source.name == "Sum" and module.training
    assert [linear.operator for linear in source.linears] == ["Conv", "Gemm", "Gemm", "Gemm"]
    module.eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(images)).numpy()
    for cut in range(4):
        network = source.network(cut)
        np.testing.assert_allclose(network.forward(X), expected, atol=1e-5)

    class Strange(n.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(RangeError, match="PyTorch cannot export Strange"):
        source_of(Strange(), images)


def test_a_module_in_another_precision_and_one_of_two_inputs():
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    data = X[:, :5].astype(np.float64)
    module = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    source = source_of(module.double(), data)
    require_same(source, source.network(0), data)

    class Sum(torch.nn.Module):
        def forward(self, left, right, more=0):
            return left + right

    with pytest.raises(RangeError, match="forward of Sum takes left, right; allowed: one input"):
        source_of(Sum(), data)
