"""A client's way through a network as a plan: operations in the clear, and private layers.

The steps of a plan work on named values. The first value is `INPUT`; every step takes values that
are there and gives new ones. A private layer is a step whose products come from elsewhere: from
light, or from the weights themselves where they are known. A dense network with ReLU is the plan
layer, relu, layer, …, layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.operations import Operation
from shotveil.models.networks.tasks import Task

INPUT = "input"

Array = NDArray[Any]
Values = dict[str, Array]
Products = Callable[[int, Array], Array]
"""Function of a layer's number and its inputs (n·patches, inputs): the products (…, rows)."""


@dataclass(frozen=True)
class LayerShape:
    """What a client knows of a private layer.

    rows, columns: Shape of its weights.
    bias: Whether the last column multiplies a constant 1.
    patches: Number P of vectors of one image that meet the rows. It is 1 for a dense layer; a
        convolution's kernel meets a patch at each place, and its rows are sent for each.

    Raises `RangeError` for a number below 1, or a bias without another column.
    """

    rows: int
    columns: int
    bias: bool = False
    patches: int = 1

    def __post_init__(self) -> None:
        if min(self.rows, self.inputs, self.patches) < 1:
            raise RangeError(f"layer has {self}; allowed: numbers of at least 1")

    @property
    def inputs(self) -> int:
        """Number of input values, without the constant 1 of a bias."""
        return self.columns - self.bias


@dataclass(frozen=True)
class Step:
    """One step: an operation, or the private layer of a number.

    takes, gives: Names of the values that it uses and makes.
    """

    does: Operation | int
    takes: tuple[str, ...]
    gives: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ClientPlan:
    """The steps of a client, from its data to the outputs.

    shape: Shape of one input.
    layers: What it knows of the private layers, first to last.
    steps: The steps in order; each layer comes once, in order of number. Without steps the plan is
        *withheld*: a server's part of a network holds no plan of its client.
    output: Name of the value with the outputs.
    task: What the outputs mean.

    Raises `RangeError` for steps that use a value before it is made, make one twice, or have the
    layers in another order.
    """

    shape: tuple[int, ...]
    layers: tuple[LayerShape, ...]
    steps: tuple[Step, ...]
    output: str
    task: Task = field(default_factory=Task)

    def __post_init__(self) -> None:
        if not self.steps:
            return
        known, numbers = {INPUT}, []
        for step in self.steps:
            if lacking := [name for name in step.takes if name not in known]:
                raise RangeError(f"plan uses {lacking[0]!r} before a step makes it")
            if twice := [name for name in step.gives if name in known]:
                raise RangeError(f"plan makes {twice[0]!r} twice; allowed: once")
            known.update(step.gives)
            if isinstance(step.does, int):
                numbers.append(step.does)
                if (len(step.takes), len(step.gives)) != (1, 1):
                    raise RangeError(f"layer {step.does} takes or gives more than one value")
        if numbers != list(range(len(self.layers))):
            raise RangeError(f"plan has layers {numbers}; allowed: 0 to {len(self.layers) - 1}")
        if self.output not in known:
            raise RangeError(f"plan makes no value {self.output!r}, which is its output")

    @property
    def withheld(self) -> bool:
        """Whether the steps are not here."""
        return not self.steps

    @property
    def inputs(self) -> int:
        """Number of values in one input."""
        return prod(self.shape)

    @property
    def plain(self) -> bool:
        """Whether the plan is that of a dense network: layers with ReLU between them."""
        middle = self.steps[1::2]
        return (
            len(self.steps) == 2 * len(self.layers) - 1
            and all(isinstance(step.does, int) for step in self.steps[::2])
            and all(isinstance(s.does, Operation) and s.does.kind == "relu" for s in middle)
            and all(layer.patches == 1 for layer in self.layers)
            and all(a.gives == b.takes for a, b in zip(self.steps, self.steps[1:], strict=False))
            and self.steps[0].takes == (INPUT,)
            and self.steps[-1].gives == (self.output,)
            and len(self.shape) == 1
        )

    def begin(self, data: Array) -> Values:
        """Return the values before the first private layer, for data (n, …).

        data: Inputs of the plan's shape, or flattened, shape (n, inputs).

        Raises `RangeError` for data of another shape, or where the plan is withheld.
        """
        if self.withheld:
            raise RangeError("this is the server's part of a network; its client holds the plan")
        if data.ndim < 1 or not len(data) or data.size != len(data) * self.inputs:
            raise RangeError(
                f"data of shape {data.shape} do not fit; allowed: (n, {self.inputs}), n ≥ 1"
                + (f", or (n, {', '.join(map(str, self.shape))})" if len(self.shape) > 1 else "")
            )
        values = {INPUT: data.reshape(len(data), *self.shape)}
        for step in self.steps[: self._first]:
            self._do(step, values, _no_products)
        return values

    def finish(self, values: Values, products: Products) -> Array:
        """Return the outputs (n, outputs), from what `begin` returned, which stays as it is.

        products: Function that gives the products of a private layer.

        Raises `RangeError` where a value does not fit a layer or an operation.
        """
        values = dict(values)
        for step in self.steps[self._first :]:
            self._do(step, values, products)
        found = values[self.output]
        return found.reshape(len(found), -1)

    def run(self, data: Array, products: Products) -> Array:
        """Return the outputs (n, outputs) for data as `begin` takes them; raises the same."""
        return self.finish(self.begin(data), products)

    def taken(self, values: Values) -> Array:
        """Return the inputs (n·patches, inputs) of the first private layer, from `begin`."""
        step = self.steps[self._first]
        assert isinstance(step.does, int)
        return self._flat(step.does, values[step.takes[0]], len(values[INPUT]))

    @property
    def _first(self) -> int:
        return next(i for i, step in enumerate(self.steps) if isinstance(step.does, int))

    def _flat(self, number: int, x: Array, images: int) -> Array:
        shape = self.layers[number]
        if x.ndim < 2 or x.shape[-1] != shape.inputs or len(x) != images:
            raise RangeError(
                f"values of shape {x.shape} do not fit layer {number}; "
                f"allowed: ({images}, …, {shape.inputs})"
            )
        if prod(x.shape[1:-1]) != shape.patches:
            raise RangeError(
                f"an image has {prod(x.shape[1:-1])} patches for layer {number}; "
                f"allowed: {shape.patches}"
            )
        return x.reshape(-1, shape.inputs)

    def _do(self, step: Step, values: Values, products: Products) -> None:
        taken = [values[name] for name in step.takes]
        if isinstance(step.does, int):
            flat = self._flat(step.does, taken[0], len(values[INPUT]))
            found = products(step.does, flat)
            given: tuple[Array, ...] = (found.reshape(*taken[0].shape[:-1], found.shape[-1]),)
        else:
            given = step.does.run(*taken)
        if len(given) != len(step.gives):
            raise RangeError(f"a step gives {len(given)} values; allowed: {len(step.gives)}")
        values.update(zip(step.gives, given, strict=True))


def chain(
    layers: Sequence[LayerShape],
    between: Sequence[Sequence[Operation]] | None = None,
    shape: tuple[int, ...] | None = None,
    task: Task | None = None,
) -> ClientPlan:
    """Return the plan of layers one behind the other.

    between: Operations before the first layer, behind it, …, behind the last; None means ReLU
        between layers and nothing else.
    shape: Shape of one input; None means the first layer's number of inputs.

    >>> chain([LayerShape(3, 4), LayerShape(2, 3)]).plain
    True
    """
    if between is None:
        relu = Operation("relu")
        between = [[], *([relu] for _ in layers[1:]), []]
    steps: list[Step] = []
    last = INPUT

    def add(does: Operation | int) -> None:
        nonlocal last
        made = f"value_{len(steps)}"
        steps.append(Step(does, (last,), (made,)))
        last = made

    for number, operations in enumerate(between):
        for operation in operations:
            add(operation)
        if number < len(layers):
            add(number)
    first = shape or (layers[0].inputs,)
    return ClientPlan(first, tuple(layers), tuple(steps), last, task or Task())


def withheld(layers: Sequence[LayerShape]) -> ClientPlan:
    """Return the plan of a server's part, which knows the layers and none of the steps."""
    return ClientPlan((layers[0].inputs,), tuple(layers), (), "")


def _no_products(number: int, x: Array) -> Array:
    raise AssertionError("a private layer among the steps before the first one")


def plan_as_dict(plan: ClientPlan, constants: dict[str, Array]) -> dict[str, Any]:
    """Return a plan as plain values; its arrays are added to `constants` under names of their own.

    `plan_from_dict` makes the plan again.
    """

    def stored(array: Array) -> str:
        name = f"constant_{len(constants)}"
        constants[name] = np.ascontiguousarray(array)
        return name

    steps = []
    for step in plan.steps:
        one: dict[str, Any] = {"takes": list(step.takes), "gives": list(step.gives)}
        if isinstance(step.does, int):
            one["layer"] = step.does
        else:
            one["operation"] = step.does.kind
            one["settings"] = dict(step.does.settings)
            one["constants"] = {key: stored(a) for key, a in step.does.constants.items()}
        steps.append(one)
    return {
        "shape": list(plan.shape),
        "steps": steps,
        "output": plan.output,
        "task": plan.task.as_dict(),
    }


def plan_from_dict(
    values: dict[str, Any], layers: Sequence[LayerShape], constants: dict[str, Array]
) -> ClientPlan:
    """Return the plan that `plan_as_dict` wrote.

    Raises `RangeError` for a plan that makes no sense, and `KeyError`, `TypeError` or `ValueError`
    for values that are no plan.
    """
    steps = []
    for one in values["steps"]:
        does: Operation | int
        if "layer" in one:
            does = int(one["layer"])
        else:
            own = {key: constants[name] for key, name in one["constants"].items()}
            does = Operation(str(one["operation"]), dict(one["settings"]), own)
        steps.append(Step(does, tuple(map(str, one["takes"])), tuple(map(str, one["gives"]))))
    if not steps:
        raise RangeError("plan has no steps; allowed: at least one")
    shape = tuple(int(size) for size in values["shape"])
    if not shape or min(shape) < 1:
        raise RangeError(f"plan's input has shape {shape}; allowed: sizes of at least 1")
    task = Task.from_dict(values["task"])
    return ClientPlan(shape, tuple(layers), tuple(steps), str(values["output"]), task)
