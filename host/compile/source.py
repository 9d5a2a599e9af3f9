"""What a network is compiled from: linear layers, any of which may travel as light.

A `Source` is an imported model before the cut. The cut names the first linear layer that is
private; that layer and all linear layers behind it become private ones, and everything else runs
in the clear at the client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.host.compile.runtime import first_line
from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import modes_of
from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.plan import ClientPlan, LayerShape, Step
from shotveil.models.networks.tasks import Task

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear layer of an imported model: products with weights (rows, inputs), plus a bias.

    name, operator: Its name in the model, and what it is there, such as "Gemm".
    bias: Bias (rows,), or None.
    patches: Number of vectors of one image that it takes.
    before, after: Operations that turn what it takes into vectors, and its products back.
    """

    name: str
    operator: str
    weights: Array
    bias: Array | None = None
    patches: int = 1
    before: tuple[Operation, ...] = ()
    after: tuple[Operation, ...] = ()

    @property
    def shape(self) -> LayerShape:
        """Shape of the private layer that it becomes."""
        bias = self.bias is not None
        return LayerShape(len(self.weights), self.weights.shape[1] + bias, bias, self.patches)

    @property
    def layer(self) -> Layer:
        """The private layer that it becomes. Raises `RangeError` for weights that light lacks."""
        weights = self.weights
        if self.bias is not None:
            weights = np.concatenate([weights, self.bias[:, None]], axis=1)
        try:
            return Layer(weights.astype(np.float32), self.bias is not None, self.patches)
        except RangeError as error:
            raise RangeError(f"{self.operator} of node {self.name}: {error}") from None


class Source(Protocol):
    """An imported model.

    name: Its name.
    shape: Shape of one input.
    linears: Its linear layers in the order in which they are computed; the cut is one of them.
    task: What its outputs mean, as far as the model says.
    """

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def linears(self) -> tuple[Linear, ...]: ...

    @property
    def task(self) -> Task: ...

    def network(self, cut: int) -> Network:
        """Return the network whose private layers are `linears[cut:]`.

        Raises `RangeError` where something behind the cut holds weights and cannot be private.
        """

    def reference(self, data: Array) -> Array:
        """Return the outputs (n, outputs) of the model as it was given, by its own library."""


@dataclass(frozen=True, eq=False)
class ChainSource:
    """A model whose parts follow each other: operations and linear layers.

    parts: They, in order.
    outputs_of: Function that gives the outputs (n, outputs) of inputs (n, values) by the model's
        own library. What it refuses by a `ValueError`, `reference` refuses by a `RangeError`.
    """

    name: str
    shape: tuple[int, ...]
    parts: tuple[Operation | Linear, ...]
    outputs_of: Any
    task: Task = field(default_factory=Task)

    @property
    def linears(self) -> tuple[Linear, ...]:
        return tuple(part for part in self.parts if isinstance(part, Linear))

    def reference(self, data: Array) -> Array:
        if data.size != len(data) * prod(self.shape):
            raise RangeError(
                f"data of shape {data.shape} do not fit; allowed: (n, {self.shape[0]})"
            )
        try:
            found = np.asarray(self.outputs_of(data.reshape(len(data), -1)), dtype=np.float64)
        except ValueError as error:
            raise RangeError(f"{self.name} refuses the data: {first_line(error)}") from None
        return found.reshape(len(data), -1)

    def network(self, cut: int) -> Network:
        builder = PlanBuilder()
        number = 0
        for part in self.parts:
            if isinstance(part, Operation):
                builder.operation(part)
            else:
                builder.linear(part, private=number >= cut)
                number += 1
        return builder.network(self.name, self.shape, self.task)


class PlanBuilder:
    """Builds a plan step by step. Values have names; `last` is the newest."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.layers: list[Layer] = []
        self.last = "input"

    def operation(
        self, does: Operation | int, takes: tuple[str, ...] = (), gives: tuple[str, ...] = ()
    ) -> None:
        """Add a step; by default it takes the newest value and gives one with a name of its own."""
        gives = gives or (f"value_{len(self.steps)}",)
        self.steps.append(Step(does, takes or (self.last,), gives))
        self.last = gives[-1]

    def linear(self, linear: Linear, private: bool, takes: str = "", gives: str = "") -> None:
        """Add a linear layer with what stands before and behind it."""
        does: list[Operation | int] = [*linear.before, 0, *linear.after]
        if private:
            does[len(linear.before)] = len(self.layers)
            self.layers.append(linear.layer)
        else:
            constants = {"weights": linear.weights.astype(np.float32)}
            if linear.bias is not None:
                constants["bias"] = linear.bias.astype(np.float32)
            does[len(linear.before)] = Operation("linear", {}, constants)
        if takes:
            self.last = takes
        for step in does[:-1]:
            self.operation(step)
        self.operation(does[-1], gives=(gives,) if gives else ())

    def network(self, name: str, shape: tuple[int, ...], task: Task, output: str = "") -> Network:
        """Return the network. Raises `RangeError` where there is no private layer."""
        if not self.layers:
            raise RangeError(f"model {name} has no private layer; allowed: at least one")
        shapes = tuple(layer.shape for layer in self.layers)
        plan = ClientPlan(shape, shapes, tuple(self.steps), output or self.last, task)
        return Network(name, tuple(self.layers), {}, plan)


def numbers_of(sample: Any) -> Array:
    """Return a sample as an array. Raises `RangeError` unless it holds finite numbers (n, …)."""
    sample = np.asarray(sample)
    if sample.dtype.kind not in "fiub" or not sample.ndim or not sample.size:
        raise RangeError(
            f"sample has type {sample.dtype} and shape {sample.shape}; allowed: numbers (n, …)"
        )
    if sample.dtype.kind == "f" and not (good := np.isfinite(sample)).all():
        first = int(np.argwhere(~good)[0][0])
        raise RangeError(
            f"sample holds {sample[~good][0]} in input {first + 1}; allowed: finite numbers"
        )
    return sample


def light_of(shape: LayerShape) -> int:
    """Return the number of modes that a layer sends for one image: its cost in time."""
    return prod((shape.rows, shape.patches, modes_of(shape.columns)))


def require_same(source: Source, network: Network, data: Array, tolerance: float = 1e-4) -> float:
    """Return by how much a network without noise differs from its model at most.

    The difference is that of the outputs, relative to the largest of them if that is above 1.
    Raises `RangeError` where it is above `tolerance`.
    """
    expected = source.reference(data)
    found = network.forward(data)
    if found.shape != expected.shape:
        raise RangeError(
            f"network {network.name} has outputs of shape {found.shape}; the model: "
            f"{expected.shape}"
        )
    scale = max(1.0, float(np.abs(expected).max()))
    worst = float(np.abs(found - expected).max()) / scale
    if not worst <= tolerance:
        raise RangeError(
            f"network {network.name} differs from its model by {worst:.2g}; "
            f"allowed: at most {tolerance:g}"
        )
    return worst
