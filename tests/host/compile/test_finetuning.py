"""Fine-tuning: its gradients against differences, and what it gains at the noise that it met."""

import numpy as np
import pytest

from shotveil.host.compile import finetuning
from shotveil.host.compile.finetuning import finetuned
from shotveil.host.run.noise import noisy_outputs
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import chain
from shotveil.models.networks.tasks import Task

RNG = np.random.default_rng(1)


def network(kind="class", last=(), middle=("tanh",)):
    layers = Layer(RNG.normal(size=(6, 5)), bias=True), Layer(RNG.normal(size=(3, 6)))
    settings = {"leaky_relu": {"slope": 0.2}, "reshape": {"shape": [6]}}
    between = [
        [],
        [Operation(k, settings.get(k, {})) for k in middle],
        [Operation(k) for k in last],
    ]
    plan = chain([x.shape for x in layers], between, task=Task(kind))
    return Network("made", layers, {}, plan)


def loss(kind, outputs, targets):
    if kind == "values":
        return np.square(outputs - targets).sum() / 2
    if kind == "class":
        top = outputs.max(axis=1)
        logs = np.log(np.exp(outputs - top[:, None]).sum(axis=1)) + top
        return (logs - outputs[np.arange(len(outputs)), targets]).sum()
    return (np.logaddexp(0, outputs) - targets * outputs).sum()


@pytest.mark.parametrize(
    ("kind", "last", "middle"),
    [
        ("class", (), ("relu",)),
        ("class", (), ("leaky_relu", "reshape")),
        ("values", ("softmax",), ("tanh",)),
        ("labels", (), ("sigmoid",)),
    ],
)
def test_gradients_are_those_of_differences(kind, last, middle):
    """Through the noise as well, whose size depends on the weights and on what a layer takes."""
    made, x = network(kind, last, middle), RNG.normal(size=(7, 4))
    targets = RNG.integers(0, 3, 7) if kind == "class" else RNG.random((7, 3)).round()
    steps = [step.does for step in made.plan.steps]
    weights = [layer.weights.astype(float) for layer in made.layers]

    def value(weights):
        rng, y = np.random.default_rng(2), x
        for does in steps:
            if isinstance(does, Operation):
                y = does.run(y)[0]
            else:
                layer = made.layers[does]
                y, _ = finetuning._noisy(
                    layer, weights[does], np.zeros_like(weights[does]), y, 2.0, rng
                )
        return loss(kind, y, targets) / len(x)

    found = finetuning._gradients(made, weights, steps, x, targets, 2.0, np.random.default_rng(2))
    for number, (w, gradient) in enumerate(zip(weights, found, strict=True)):
        for place in [(0, 0), (1, 2), (2, w.shape[1] - 1)]:
            each = []
            for step in (-1e-4, 1e-4):
                moved = [v.copy() for v in weights]
                moved[number][place] += step
                each.append(value(moved))
            assert gradient[place] == pytest.approx((each[1] - each[0]) / 2e-4, rel=2e-2, abs=2e-4)


def test_it_learns_to_live_with_the_noise():
    """Many features say the same: without noise one is enough, with noise all are better."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 1500)
    x = (2 * labels[:, None] - 1) + 0.3 * rng.normal(size=(1500, 20))
    lazy = np.zeros((2, 20))
    lazy[:, 0] = -1, 1
    before = Network("lazy", (Layer(lazy),))
    steps = []
    after = finetuned(
        before,
        0.5,
        x[:1000],
        labels[:1000],
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps[-1] == (30, 30) and after.about["finetuned"] == 30

    def score(network, f2):
        values = network.plan.begin(x[1000:])
        outputs = noisy_outputs(network, values, f2, np.random.default_rng(4))
        return network.plan.task.score(outputs, labels[1000:])

    assert score(before, np.inf) > 0.99
    assert score(after, 0.5) > score(before, 0.5) + 0.08
    np.testing.assert_array_equal(before.layers[0].weights, lazy)


def test_what_cannot_be_trained_is_refused():
    x, labels = RNG.normal(size=(10, 4)), np.zeros(10, int)
    with pytest.raises(RangeError, match="9 labels for 10 inputs"):
        finetuned(network(), 1.0, x, labels[:9])
    with pytest.raises(RangeError, match="label 7 is none of 0, 1, 2"):
        finetuned(network(), 1.0, x, labels + 7)
    with pytest.raises(RangeError, match=r"labels have shape \(10,\); allowed: \(10, 3\)"):
        finetuned(network("values"), 1.0, x, labels)
    with pytest.raises(RangeError, match="cannot go through the operation gelu"):
        finetuned(network(middle=("gelu",)), 1.0, x, labels)
    with pytest.raises(RangeError, match="F² = 0"):
        finetuned(network(), 0.0, x, labels)
