"""`OpticalLinear` as a layer of a PyTorch model."""

import sys

import numpy as np
import pytest

from shotveil.host.compile.compiled import Budget, compile
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.noise import noisy_outputs
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network


def test_says_how_to_get_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "shotveil.host.compile.optical_linear", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"torch.*make setup-train"):
        import shotveil.host.compile.optical_linear  # noqa: F401


class TestWithTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.fixture
    def layer_of(self, torch):
        from shotveil.host.compile.optical_linear import OpticalLinear

        torch.manual_seed(1)
        return OpticalLinear

    @pytest.mark.parametrize("bias", [False, True])
    def test_readings_are_those_of_a_client(self, torch, layer_of, bias):
        layer = layer_of(6, 3, bias, f2=2.0)
        x = np.random.default_rng(2).normal(size=(1, 6)).astype(np.float32)
        many = np.repeat(x, 40_000, axis=0)
        with torch.no_grad():
            ours = layer(torch.from_numpy(many)).numpy()
        w = layer.weight.detach().numpy()
        if bias:
            w = np.concatenate([w, layer.bias.detach().numpy()[:, None]], axis=1)
        network = Network("n", (Layer(w, bias),))
        theirs = noisy_outputs(network, network.plan.begin(many), 2.0, np.random.default_rng(3))
        np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=0.03)
        np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=0.02)
        assert np.abs(np.corrcoef(ours.T) - np.eye(3)).max() < 0.02

    def test_the_gradient_goes_through_the_size_of_the_noise(self, torch, layer_of):
        layer = layer_of(4, 2, False, f2=0.1)
        x = torch.ones(1, 4, requires_grad=True)
        torch.manual_seed(5)
        (layer(x).sum() - torch.nn.functional.linear(x, layer.weight).sum()).backward()
        # Noise alone: it is proportional to rms(W) and ‖x‖, so the gradients lie along them.
        for value in (layer.weight, x):
            cosine = torch.cosine_similarity(value.grad.flatten(), value.detach().flatten(), dim=0)
            assert abs(float(cosine)) > 0.9999

    def test_a_budget_gives_the_light(self, layer_of):
        budget = Budget(weight_bits=0.2, data_bits=0.05)
        layer, worse = (layer_of(63, 5, budget=budget, lab=lab) for lab in ("ideal", "realistic"))
        assert layer.f2 > worse.f2 > 0 and f"f2={layer.f2:.4g}" in repr(layer)
        weights = np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32)
        network = Network("n", (Layer(weights, True),))
        found = compile(network, sample=np.ones((2, 63)), cut=0, budget=budget)
        assert found.link.f2 == pytest.approx(layer.f2)
        assert network_leakage(network, found.link).weight_leakage_bits <= 0.2
        with pytest.raises(RangeError, match="f2 is given with a budget"):
            layer_of(3, 2, f2=1.0, budget=budget)
        with pytest.raises(RangeError, match="F² = 0"):
            layer_of(3, 2, f2=0)

    def test_it_trains_and_compiles_to_its_weights(self, torch, layer_of):
        pytest.importorskip("onnxscript")
        rng = np.random.default_rng(4)
        x = rng.normal(size=(400, 20)).astype(np.float32)
        y = (x[:, :2] @ np.array([[1.0, -1.0], [1.0, 1.0]])).argmax(axis=1)
        model = torch.nn.Sequential(
            layer_of(20, 16, f2=3.0), torch.nn.ReLU(), layer_of(16, 2, f2=3.0)
        )
        steps = torch.optim.Adam(model.parameters(), 0.02)
        for _ in range(60):
            steps.zero_grad()
            loss = torch.nn.functional.cross_entropy(
                model(torch.from_numpy(x)), torch.from_numpy(y)
            )
            loss.backward()
            steps.step()
        private = compile(model, sample=x, labels=y, cut=0, budget=Budget(weight_bits=1.0))
        assert [layer.rows for layer in private.network.layers] == [16, 2]
        np.testing.assert_array_equal(
            private.network.layers[0].weights[:, :20], model[0].weight.detach().numpy()
        )
        assert private.difference < 1e-5 and private.clean_score > 0.9 and private.score > 0.75
