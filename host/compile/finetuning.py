"""Fine-tuning of private layers through the noise that their light will have, in NumPy.

Each step draws readings as a client has them, W·x + ‖x‖·rms(W)/F·n (docs/physics.md), compares the
outputs with the labels, and corrects the weights by the gradient (Adam, arXiv:1412.6980). The
unit of the noise, ‖x‖·rms(W), has a gradient as well: larger weights make larger noise. The public
part stays as it is, so its values are computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError, require
from shotveil.models.networks.layers import with_constant
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import ClientPlan

Array = NDArray[Any]
Back = Callable[[Array], Array]

BATCH = 128
_LAST = {"class": "softmax", "binary": "sigmoid", "labels": "sigmoid"}


def finetuned(
    network: Network,
    f2: float,
    inputs: Array,
    labels: Array,
    *,
    epochs: int = 30,
    rate: float = 2e-2,
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Network:
    """Return the network with private layers that were trained further at F² = `f2`.

    inputs, labels: Inputs (n, …) and what is right for them, as the network's task has it:
        classes by name or number, labels (n, outputs), or values.
    epochs: How often each input is used, ≥ 1.
    rate: Largest step, relative to the root mean square of a layer's weights, > 0.
    progress: Function that is called with the number of epochs done, and of all.

    Raises `RangeError` for labels that do not fit, and for a network in which something behind
    the first private layer has no gradient here.
    """
    require("F²", f2, above=0)
    require("epochs", epochs, at_least=1, integer=True)
    require("rate", rate, above=0)
    plan = network.plan
    first = next(i for i, step in enumerate(plan.steps) if isinstance(step.does, int))
    _require_chain(plan, first)
    inputs = np.asarray(inputs)
    if len(inputs) != len(labels):
        raise RangeError(f"{len(labels)} labels for {len(inputs)} inputs; allowed: one for each")
    targets = _targets(plan, np.asarray(labels), network)
    begun = [plan.begin(inputs[i : i + 1000]) for i in range(0, len(inputs), 1000)]
    taken = plan.steps[first].takes[0]
    data = np.concatenate([values[taken] for values in begun]).astype(np.float32)
    weights = [layer.weights.astype(np.float64) for layer in network.layers]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    rng = np.random.default_rng(seed)
    steps = [step.does for step in plan.steps[first:]]
    end = steps[-1]
    if isinstance(end, Operation) and end.kind == _LAST.get(plan.task.kind):
        steps.pop()  # the loss has it inside, which is exact where it saturates
    total, count = epochs * math.ceil(len(data) / BATCH), 0
    scale = [rate * layer.rms for layer in network.layers]
    for epoch in range(epochs):
        for chosen in np.array_split(rng.permutation(len(data)), math.ceil(len(data) / BATCH)):
            count += 1
            gradients = _gradients(network, weights, steps, data[chosen], targets[chosen], f2, rng)
            speed = 0.5 * (1 + math.cos(math.pi * (count - 1) / total))
            for w, g, (m, v), step in zip(weights, gradients, moments, scale, strict=True):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                corrected = np.sqrt(v / (1 - 0.999**count)) + 1e-12
                w -= speed * step * (m / (1 - 0.9**count)) / corrected
        progress(epoch + 1, epochs)
    layers = tuple(
        Layer(w.astype(np.float32), layer.bias, layer.patches)
        for w, layer in zip(weights, network.layers, strict=True)
    )
    return Network(network.name, layers, {**network.about, "finetuned": epochs}, plan)


def _gradients(
    network: Network,
    weights: list[Array],
    steps: list[Operation | int],
    x: Array,
    targets: Array,
    f2: float,
    rng: np.random.Generator,
) -> list[Array]:
    """Return the gradient of the loss for each layer's weights, with fresh noise."""
    gradients = [np.zeros_like(w) for w in weights]
    backs: list[Back] = []
    for does in steps:
        if isinstance(does, Operation):
            x, back = _forward(does, x)
        else:
            layer = network.layers[does]
            x, back = _noisy(layer, weights[does], gradients[does], x, f2, rng)
        backs.append(back)
    shape = x.shape
    gradient = _loss_gradient(network.plan.task.kind, x.reshape(len(x), -1), targets)
    gradient = gradient.reshape(shape)
    for back in reversed(backs):
        gradient = back(gradient)
    return gradients


def _noisy(
    layer: Layer, w: Array, gradient: Array, x: Array, f2: float, rng: np.random.Generator
) -> tuple[Array, Back]:
    """Return readings of a layer, and what takes the gradient back and adds it to `gradient`."""
    flat = with_constant(x.reshape(-1, x.shape[-1]), layer.bias).astype(np.float64)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    size = layer.rows * 2 * layer.modes
    rms = math.sqrt(float(np.square(w).sum()) / size)
    noise = rng.standard_normal((len(flat), layer.rows)) / math.sqrt(f2)
    y = flat @ w.T + norms * rms * noise

    def back(above: Array) -> Array:
        g = above.reshape(-1, layer.rows)
        gradient[...] += g.T @ flat + float((g * norms * noise).sum()) * w / (size * rms)
        by_norm = (g * noise).sum(axis=1, keepdims=True) * rms / np.maximum(norms, 1e-30)
        below = g @ w + by_norm * flat
        return np.asarray(below[:, : layer.inputs].reshape(x.shape))

    return y.reshape(*x.shape[:-1], layer.rows), back


def _forward(does: Operation, x: Array) -> tuple[Array, Back]:
    """Return the result of an operation, and what takes a gradient back through it."""
    y = does.run(x)[0]
    kind = does.kind
    if kind == "relu":
        return y, lambda g: g * (x > 0)
    if kind == "leaky_relu":
        slope = float(does.settings["slope"])
        return y, lambda g: g * np.where(x >= 0, 1.0, slope)
    if kind == "tanh":
        return y, lambda g: g * (1 - y * y)
    if kind == "sigmoid":
        return y, lambda g: g * y * (1 - y)
    if kind == "reshape":
        return y, lambda g: g.reshape(x.shape)
    if kind == "affine":
        return y, lambda g: g * does.constants["scale"]
    assert kind == "softmax"
    return y, lambda g: y * (g - (g * y).sum(axis=-1, keepdims=True))


_BACKWARD = ("relu", "leaky_relu", "tanh", "sigmoid", "reshape", "affine", "softmax")


def _require_chain(plan: ClientPlan, first: int) -> None:
    last = plan.steps[first].takes
    for step in plan.steps[first:]:
        if step.takes != last:
            raise RangeError("fine-tuning needs steps that follow each other behind the cut")
        if isinstance(step.does, Operation) and step.does.kind not in _BACKWARD:
            raise RangeError(
                f"fine-tuning cannot go through the operation {step.does.kind}; allowed behind the "
                f"cut: {', '.join(_BACKWARD)}"
            )
        last = step.gives


def _targets(plan: ClientPlan, labels: Array, network: Network) -> Array:
    """Return one number or one vector for each label, as the loss takes it."""
    task = plan.task
    outputs = network.outputs * network.layers[-1].patches
    if task.kind in ("values", "labels"):
        found = labels.reshape(len(labels), -1).astype(np.float64)
        if found.shape[1] != outputs:
            raise RangeError(
                f"labels have shape {labels.shape}; allowed: ({len(labels)}, {outputs})"
            )
        return found
    names = list(task.names) or list(range(max(2, outputs)))
    places = {name: i for i, name in enumerate(names)}
    unknown = [label for label in labels.tolist() if label not in places]
    if unknown:
        shown = ", ".join(map(str, names[:10]))
        raise RangeError(f"label {unknown[0]!r} is none of {shown}{'…' if len(names) > 10 else ''}")
    return np.array([places[label] for label in labels.tolist()])


def _loss_gradient(kind: str, outputs: Array, targets: Array) -> Array:
    """Return the gradient of the mean loss for outputs (n, outputs).

    Classes have the cross entropy of the softmax of what is read, two classes or several labels
    that of the sigmoid, and values half the squared error.
    """
    n = len(outputs)
    if kind == "values":
        return (outputs - targets) / n
    if kind == "class":
        e = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        p[np.arange(n), targets] -= 1
        return p / n
    wanted = targets.reshape(n, -1)
    return (1 / (1 + np.exp(-np.clip(outputs, -500, 500))) - wanted) / n
