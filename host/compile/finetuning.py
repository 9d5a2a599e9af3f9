"""Fine-tuning of private layers through the noise that their light will have, in NumPy.

Each step draws readings as a client has them, W·x + ‖x‖·rms(W)/F·n (docs/physics.md), compares the
outputs with the labels, and corrects the weights by the gradient (Adam, arXiv:1412.6980). The
unit of the noise, ‖x‖·rms(W), has a gradient as well: larger weights make larger noise. The public
part stays as it is, so its values are computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, softmax

from shotveil.host.run.noise import f2_of_each
from shotveil.models.common.checks import RangeError, require
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import ClientPlan, Step, Values

Array = NDArray[Any]
Back = Callable[[Array], tuple[Array, ...]]
"""Function from the gradient of what a step gives to those of what it takes, in order."""

BATCH, LEAST_BATCH = 128, 8
STEPS = 50  # in an epoch, where there are enough inputs; few and large steps do not get far
_LAST = {"class": "softmax", "binary": "sigmoid", "labels": "sigmoid"}


def finetuned(
    network: Network,
    f2: float | Sequence[float],
    inputs: Array,
    labels: Array | None,
    *,
    epochs: int = 30,
    rate: float = 2e-2,
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Network:
    """Return the network with private layers that were trained further at F² = `f2`.

    f2: F² of all layers, or of each.
    inputs, labels: Inputs (n, …) and what is right for them, as the network's task has it:
        classes by name or number, labels (n, outputs), or values. Without labels the network is
        distilled: what it says of the inputs without noise is taken as right
        (arXiv:1503.02531), so inputs that nobody labelled are enough.
    epochs: How often each input is used, ≥ 1.
    rate: Largest step, relative to the root mean square of a layer's weights, > 0.
    progress: Function that is called with the number of epochs done, and of all.

    Raises `RangeError` for labels that do not fit, and for a network in which an operation behind
    a private layer has no gradient here.
    """
    each = f2_of_each(network, f2)
    require("F²", each, above=0)
    require("epochs", epochs, at_least=1, integer=True)
    require("rate", rate, above=0)
    plan = network.plan
    first = next(i for i, step in enumerate(plan.steps) if isinstance(step.does, int))
    learned = _require_gradients(plan)
    inputs = np.asarray(inputs)
    if labels is not None and len(inputs) != len(labels):
        raise RangeError(f"{len(labels)} labels for {len(inputs)} inputs; allowed: one for each")
    begun = [plan.begin(inputs[i : i + 1000]) for i in range(0, len(inputs), 1000)]
    later = {name for step in plan.steps[first:] for name in step.takes}
    data = {
        name: np.concatenate([values[name] for values in begun])
        for name in begun[0]
        if name in later
    }
    weights = [layer.weights.astype(np.float64) for layer in network.layers]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    rng = np.random.default_rng(seed)
    steps, output = list(plan.steps[first:]), plan.output
    end = steps[-1]
    inside = (
        isinstance(end.does, Operation)
        and end.does.kind == _LAST.get(plan.task.kind)
        and end.gives == (output,)
    )
    if inside:
        steps.pop()  # the loss has it inside, which is exact where it saturates
        output = end.takes[0]
    if labels is None:
        said = network.forward(inputs.reshape(len(inputs), -1))
        targets = said if inside else _softened(plan.task.kind, said)
    else:
        targets = _targets(plan, np.asarray(labels), network)
    batch = min(BATCH, max(LEAST_BATCH, len(inputs) // STEPS))
    batches = math.ceil(len(inputs) / batch)
    total, count = epochs * batches, 0
    scale = [rate * layer.rms for layer in network.layers]
    for epoch in range(epochs):
        for chosen in np.array_split(rng.permutation(len(inputs)), batches):
            count += 1
            few = {name: value[chosen] for name, value in data.items()}
            gradients = _gradients(
                network, weights, steps, output, learned, few, targets[chosen], each, rng
            )
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
    steps: Sequence[Step],
    output: str,
    learned: set[str],
    values: Values,
    targets: Array,
    f2: Sequence[float],
    rng: np.random.Generator,
) -> list[Array]:
    """Return the gradient of the loss for each layer's weights, with fresh noise.

    steps, output: Steps from the first private layer on, and the value that the loss takes.
    learned: Values that depend on private weights.
    values: What is there before these steps.
    """
    gradients = [np.zeros_like(w) for w in weights]
    values = dict(values)
    backs: list[tuple[Step, Back]] = []
    for step in steps:
        taken = [values[name] for name in step.takes]
        if isinstance(step.does, int):
            number = step.does
            layer = network.layers[number]
            x, back = _noisy(layer, weights[number], gradients[number], taken[0], f2[number], rng)
        elif step.gives[0] in learned:
            x, back = _forward(step.does, *taken)
        else:  # public, as another way round the private layers
            values.update(zip(step.gives, step.does.run(*taken), strict=True))
            continue
        values[step.gives[0]] = x
        backs.append((step, back))
    y = values[output]
    gradient = _loss_gradient(network.plan.task.kind, y.reshape(len(y), -1), targets)
    above = {output: gradient.reshape(y.shape)}
    for step, back in reversed(backs):
        if step.gives[0] in above:  # otherwise the outputs do not depend on it
            for name, part in zip(step.takes, back(above.pop(step.gives[0])), strict=True):
                above[name] = above[name] + part if name in above else part
    return gradients


def _noisy(
    layer: Layer, w: Array, gradient: Array, x: Array, f2: float, rng: np.random.Generator
) -> tuple[Array, Back]:
    """Return readings of a layer, and what takes the gradient back and adds it to `gradient`."""
    flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
    if layer.bias:
        flat = np.pad(flat, ((0, 0), (0, 1)), constant_values=1)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    size = layer.rows * 2 * layer.modes
    rms = math.sqrt(float(np.square(w).sum()) / size)
    noise = rng.standard_normal((len(flat), layer.rows)) / math.sqrt(f2)
    y = flat @ w.T + norms * rms * noise

    def back(above: Array) -> tuple[Array]:
        g = above.reshape(-1, layer.rows)
        gradient[...] += g.T @ flat + float((g * norms * noise).sum()) * w / (size * rms)
        by_norm = (g * noise).sum(axis=1, keepdims=True) * rms / np.maximum(norms, 1e-30)
        below = g @ w + by_norm * flat
        return (below[:, : layer.inputs].reshape(x.shape),)

    return y.reshape(*x.shape[:-1], layer.rows), back


def _forward(does: Operation, *values: Array) -> tuple[Array, Back]:
    """Return the result of an operation, and what takes a gradient back through it."""
    y = does.run(*values)[0]
    if does.kind == "add":
        return y, lambda g: tuple(_summed(g, value.shape) for value in values)
    (x,) = values
    return y, lambda g: (_BACKWARD[does.kind](does, x, y, g),)


def _summed(g: Array, shape: tuple[int, ...]) -> Array:
    """Return the gradient of a value that was broadcast to the shape of `g`."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(
        k for k, (own, size) in enumerate(zip(g.shape, shape, strict=True)) if own != size
    )
    return np.asarray(g.sum(axis=stretched, keepdims=True))


def _gelu_back(does: Operation, x: Array, y: Array, g: Array) -> Array:
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return g * (ndtr(x) + x * density)


def _hard_sigmoid_back(does: Operation, x: Array, y: Array, g: Array) -> Array:
    return g * float(does.settings.get("slope", 0.2)) * ((y > 0) & (y < 1))


def _softmax_back(does: Operation, x: Array, y: Array, g: Array) -> Array:
    axis = int(does.settings.get("axis", -1))
    return np.asarray(y * (g - (g * y).sum(axis=axis, keepdims=True)))


def _layer_norm_back(does: Operation, x: Array, y: Array, g: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    spread = np.sqrt(variance + float(does.settings.get("epsilon", 1e-5)))
    unit, h = centred / spread, g * does.constants["scale"]
    along = unit * (h * unit).mean(axis=-1, keepdims=True)
    return np.asarray((h - h.mean(axis=-1, keepdims=True) - along) / spread)


def _transpose_back(does: Operation, x: Array, y: Array, g: Array) -> Array:
    return g.transpose(np.argsort([int(axis) for axis in does.settings["axes"]]))


_BACKWARD: dict[str, Callable[[Operation, Array, Array, Array], Array]] = {
    "relu": lambda does, x, y, g: g * (x > 0),
    "leaky_relu": lambda does, x, y, g: g * np.where(x >= 0, 1.0, float(does.settings["slope"])),
    "gelu": _gelu_back,
    "tanh": lambda does, x, y, g: g * (1 - y * y),
    "sigmoid": lambda does, x, y, g: g * y * (1 - y),
    "hard_sigmoid": _hard_sigmoid_back,
    "softmax": _softmax_back,
    "affine": lambda does, x, y, g: g * does.constants["scale"],
    "clip": lambda does, x, y, g: g * (y == x),
    "linear": lambda does, x, y, g: g @ does.constants["weights"],
    "layer_norm": _layer_norm_back,
    "reshape": lambda does, x, y, g: g.reshape(x.shape),
    "transpose": _transpose_back,
}
"""Gradient of what an operation takes, from the operation, what it took and gave, and the gradient
of what it gave. The tanh approximation of GELU has the gradient of GELU, 3e-3 from its own."""


def _require_gradients(plan: ClientPlan) -> set[str]:
    """Return the values that depend on private weights; all steps that make them need gradients."""
    learned: set[str] = set()
    for step in plan.steps:
        if isinstance(step.does, int):
            learned.update(step.gives)
        elif learned.intersection(step.takes):
            if step.does.kind not in (*_BACKWARD, "add"):
                raise RangeError(
                    f"fine-tuning cannot go through the operation {step.does.kind}; allowed behind "
                    f"the cut: add, {', '.join(_BACKWARD)}"
                )
            learned.update(step.gives)
    return learned


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


def _softened(kind: str, outputs: Array) -> Array:
    """Return outputs (n, outputs) of a network as targets of the loss: shares of the classes."""
    outputs = outputs.astype(np.float64)
    if kind == "class":
        return np.asarray(softmax(outputs, axis=1))
    return outputs if kind == "values" else np.asarray(expit(outputs))


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
        if targets.ndim == 2:  # a share for each class, as another network gives it
            return (p - targets) / n
        p[np.arange(n), targets] -= 1
        return p / n
    wanted = targets.reshape(n, -1)
    return (1 / (1 + np.exp(-np.clip(outputs, -500, 500))) - wanted) / n
