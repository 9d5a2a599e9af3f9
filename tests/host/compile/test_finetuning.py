"""Fine-tuning: its gradients against differences, and what it gains at the noise that it met."""

import numpy as np
import pytest

from shotveil.host.compile import finetuning
from shotveil.host.compile.finetuning import finetuned
from shotveil.host.run.noise import noisy_outputs
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import ClientPlan, Step, chain
from shotveil.models.networks.tasks import Task

RNG = np.random.default_rng(1)


def network(kind="class", last=(), middle=("tanh",)):
    layers = Layer(RNG.normal(size=(6, 5)), bias=True), Layer(RNG.normal(size=(3, 6)))
    settings = {
        "leaky_relu": {"slope": 0.2},
        "reshape": {"shape": [6]},
        "transpose": {"axes": [0, 1]},
    }
    settings["clip"] = {"low": -1.0, "high": 2.0}
    wide = {"scale": RNG.normal(size=6), "shift": RNG.normal(size=6)}
    constants = {"affine": wide, "layer_norm": wide, "linear": {"weights": RNG.normal(size=(6, 6))}}
    between = [
        [],
        [Operation(k, settings.get(k, {}), constants.get(k, {})) for k in middle],
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
        ("values", (), ("gelu", "layer_norm")),
        ("class", (), ("hard_sigmoid", "transpose", "affine")),
        ("class", (), ("linear", "clip")),
    ],
)
def test_gradients_are_those_of_differences(kind, last, middle):
    """Through the noise as well, whose size depends on the weights and on what a layer takes."""
    made, x = network(kind, last, middle), RNG.normal(size=(7, 4))
    targets = RNG.integers(0, 3, 7) if kind == "class" else RNG.random((7, 3)).round()
    compare(made, {"input": x}, targets)


def compare(made, data, targets):
    """Compare the gradients of weights with differences of the loss, for the same noise."""
    plan, kind = made.plan, made.plan.task.kind
    weights = [layer.weights.astype(float) for layer in made.layers]
    learned = finetuning._require_gradients(plan)
    f2 = [2.0, 0.7, 4.0][: len(weights)]
    made_of = (plan.steps, plan.output, learned, data, targets, f2)

    def value(weights):
        rng = np.random.default_rng(2)

        def products(number, x):
            layer = made.layers[number]
            nothing = np.zeros_like(weights[number])
            return finetuning._noisy(layer, weights[number], nothing, x, f2[number], rng)[0]

        return loss(kind, plan.finish(data, products), targets) / len(targets)

    found = finetuning._gradients(made, weights, *made_of, np.random.default_rng(2))
    for number, (w, gradient) in enumerate(zip(weights, found, strict=True)):
        for place in [(0, 0), (1, 2), (2, w.shape[1] - 1)]:
            each = []
            for step in (-1e-4, 1e-4):
                moved = [v.copy() for v in weights]
                moved[number][place] += step
                each.append(value(moved))
            assert gradient[place] == pytest.approx((each[1] - each[0]) / 2e-4, rel=1e-3, abs=1e-5)


def test_gradients_go_around_and_through_a_residual_sum():
    """The sum takes a hidden value twice, once through a layer, and one that is public."""
    layers = tuple(Layer(RNG.normal(size=(rows, 5)), bias=True) for rows in (4, 4, 3))
    public = {"weights": RNG.normal(size=(4, 4))}
    steps = (
        Step(0, ("input",), ("a",)),
        Step(Operation("linear", {}, public), ("input",), ("p",)),
        Step(Operation("tanh"), ("a",), ("b",)),
        Step(1, ("b",), ("c",)),
        Step(Operation("add"), ("c", "b"), ("d",)),
        Step(Operation("add"), ("p", "d"), ("e",)),
        Step(2, ("e",), ("f",)),
        Step(Operation("relu"), ("a",), ("unused",)),
    )
    plan = ClientPlan((4,), tuple(layer.shape for layer in layers), steps, "f", Task("values"))
    x = RNG.normal(size=(7, 4))
    compare(Network("sum", layers, {}, plan), {"input": x}, RNG.random((7, 3)))


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
    with pytest.raises(RangeError, match="cannot go through the operation patches"):
        finetuned(network(middle=("patches",)), 1.0, x, labels)
    with pytest.raises(RangeError, match="F² = 0"):
        finetuned(network(), 0.0, x, labels)


@pytest.mark.parametrize("last", [(), ("softmax",)])
def test_without_labels_it_learns_what_it_said_before(last):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1500, 20)).astype(np.float32)
    size = 10 ** rng.uniform(-1.5, 1.5, 40)  # hidden units that use the light badly
    layers = (
        Layer(rng.normal(size=(40, 20)) * size[:, None]),
        Layer(rng.normal(size=(3, 40)) / size),
    )
    between = [[], [Operation("relu")], [Operation(kind, {}) for kind in last]]
    made = Network("n", layers, {}, chain([layer.shape for layer in layers], between))
    better = finetuned(made, 2.0, x, None)
    said = made.forward(x).argmax(axis=1)
    agree = []
    for one in (made, better):
        outputs = noisy_outputs(one, one.plan.begin(x), 2.0, np.random.default_rng(1))
        agree.append((outputs.argmax(axis=1) == said).mean())
    assert agree[1] > agree[0] + 0.1


def test_few_inputs_are_used_in_small_steps():
    """120 inputs in steps of 128 would be one step an epoch, which does not get far."""
    rng = np.random.default_rng(3)
    labels = np.arange(120) % 3
    x = np.eye(3)[labels] + 0.2 * rng.normal(size=(120, 3))
    start = Network("n", (Layer(-np.eye(3)),))
    better = finetuned(start, 1e4, x, labels, epochs=20)
    assert (better.forward(x).argmax(axis=1) == labels).mean() > 0.95
