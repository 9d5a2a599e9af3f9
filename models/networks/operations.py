"""What a client does in the clear between private layers, one operation each.

An `Operation` names what is done and holds its settings and constants; `Operation.run` does it to
arrays whose first axis counts the images. The kinds here need NumPy alone. Other packages add kinds
by an entry point, as `shotveil.host.compile` does for parts of ONNX graphs:

    [project.entry-points."shotveil.operations"]
    onnx = "shotveil.host.compile.runtime:onnx"

The entry point is a function from settings and constants to a function from arrays to arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import erf, expit

from shotveil.models.common.checks import RangeError
from shotveil.models.common.registry import plugins

GROUP = "shotveil.operations"

Array = NDArray[Any]
Settings = Mapping[str, Any]
Constants = Mapping[str, Array]
Function = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation in the clear.

    kind: Name of what is done: one of `operation_kinds()`.
    settings: Plain values that JSON can hold, as the kind needs them.
    constants: Arrays, as the kind needs them.

    >>> Operation("leaky_relu", {"slope": 0.1}).run(np.array([[-1.0, 2.0]]))[0].tolist()
    [[-0.1, 2.0]]
    """

    kind: str
    settings: Settings = field(default_factory=dict)
    constants: Constants = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        # What the kind prepared stays here; another process prepares it again.
        return Operation, (self.kind, self.settings, self.constants)

    def run(self, *values: Array) -> tuple[Array, ...]:
        """Return the results of the operation on arrays whose first axis counts the images.

        Raises `RangeError` for a kind that nobody offers, and for values or settings that do not
        fit it.
        """
        try:
            found = self._function(*values)
        except RangeError:
            raise
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise RangeError(f"operation {self.kind} cannot be done: {error}") from None
        return found if isinstance(found, tuple) else (found,)

    @cached_property
    def _function(self) -> Function:
        make = _KINDS.get(self.kind)
        if make is None:
            offered = plugins(GROUP)
            if self.kind not in offered:
                raise RangeError(
                    f"operation = {self.kind!r} is none of {', '.join(operation_kinds())}"
                )
            make = offered[self.kind].load()
        function: Function = make(self.settings, self.constants)
        return function


def operation_kinds() -> list[str]:
    """Return the names of all kinds of operations, those of other packages not loaded."""
    return sorted({*_KINDS, *plugins(GROUP)})


_KINDS: dict[str, Callable[[Settings, Constants], Function]] = {}


def _kind(
    make: Callable[[Settings, Constants], Function],
) -> Callable[[Settings, Constants], Function]:
    _KINDS[make.__name__.strip("_")] = make
    return make


@_kind
def _relu(settings: Settings, constants: Constants) -> Function:
    return lambda x: np.maximum(x, 0)


@_kind
def _leaky_relu(settings: Settings, constants: Constants) -> Function:
    slope = float(settings["slope"])
    return lambda x: np.where(x >= 0, x, slope * x)


@_kind
def _gelu(settings: Settings, constants: Constants) -> Function:
    """x·Φ(x), or with "tanh" its approximation (arXiv:1606.08415)."""
    if settings.get("approximate", "none") == "tanh":
        a = np.sqrt(2 / np.pi)
        return lambda x: 0.5 * x * (1 + np.tanh(a * (x + 0.044715 * x**3)))
    return lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2)))


@_kind
def _tanh(settings: Settings, constants: Constants) -> Function:
    return np.tanh


@_kind
def _sigmoid(settings: Settings, constants: Constants) -> Function:
    return expit


@_kind
def _hard_sigmoid(settings: Settings, constants: Constants) -> Function:
    slope, shift = float(settings.get("slope", 0.2)), float(settings.get("shift", 0.5))
    return lambda x: np.clip(slope * x + shift, 0, 1)


@_kind
def _softmax(settings: Settings, constants: Constants) -> Function:
    axis = int(settings.get("axis", -1))

    def softmax(x: Array) -> Array:
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return np.asarray(e / e.sum(axis=axis, keepdims=True))

    return softmax


@_kind
def _add(settings: Settings, constants: Constants) -> Function:
    """The sum of two values, as a residual connection needs it."""
    return np.add


@_kind
def _affine(settings: Settings, constants: Constants) -> Function:
    """x·scale + shift, element by element: normalisation that travels with the network."""
    scale, shift = constants["scale"], constants["shift"]
    return lambda x: x * scale + shift


@_kind
def _linear(settings: Settings, constants: Constants) -> Function:
    """x·Wᵀ + b over the last axis: a linear layer that is public."""
    weights, bias = constants["weights"], constants.get("bias", np.float32(0))
    return lambda x: x @ weights.T + bias


@_kind
def _clip(settings: Settings, constants: Constants) -> Function:
    low, high = float(settings["low"]), float(settings["high"])
    return lambda x: np.clip(x, low, high)


@_kind
def _layer_norm(settings: Settings, constants: Constants) -> Function:
    """(x − mean)/√(variance + epsilon)·scale + shift over the last axis (arXiv:1607.06450)."""
    epsilon = float(settings.get("epsilon", 1e-5))
    scale, shift = constants["scale"], constants.get("shift", np.float32(0))

    def normalise(x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + epsilon)
        return np.asarray(centred / spread * scale + shift)

    return normalise


@_kind
def _reshape(settings: Settings, constants: Constants) -> Function:
    """A shape for each image; −1 stands for what is left."""
    shape = tuple(int(size) for size in settings["shape"])
    return lambda x: x.reshape(len(x), *shape)


@_kind
def _transpose(settings: Settings, constants: Constants) -> Function:
    """The axes in another order, the first of them, which counts the images, left in place."""
    axes = tuple(int(axis) for axis in settings["axes"])
    if not axes or axes[0] != 0:
        raise RangeError(f"axes = {axes}; allowed: an order that starts with 0")
    return lambda x: x.transpose(axes)


@_kind
def _dictionary_features(settings: Settings, constants: Constants) -> Function:
    """Features of images by a public dictionary of patches: `models.networks.features`."""
    from shotveil.models.networks.features import FrontEnd

    made: dict[str, Any] = {**settings, **constants}
    return FrontEnd(**made)


@_kind
def _patches(settings: Settings, constants: Constants) -> Function:
    """The patches that a convolution's kernel meets, each as one row.

    From (n, channels, *sizes) to (n, *places, channels·kernel), channels first within a row.
    Settings: "kernel", "strides", "dilations" (one number an axis), and "pads" (those before each
    axis, then those behind it), filled with zeros.
    """
    kernel = tuple(int(size) for size in settings["kernel"])
    axes = len(kernel)
    strides = tuple(int(s) for s in settings.get("strides", (1,) * axes))
    dilations = tuple(int(d) for d in settings.get("dilations", (1,) * axes))
    pads = tuple(int(p) for p in settings.get("pads", (0,) * (2 * axes)))
    if not all(number >= 1 for number in (*kernel, *strides, *dilations)) or min(pads) < 0:
        raise RangeError(f"settings of patches are {dict(settings)}; allowed: positive numbers")

    def patches(x: Array) -> Array:
        around = zip(pads[:axes], pads[axes:], strict=True)
        padded = np.pad(x, ((0, 0), (0, 0), *around))
        window = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))
        seen = sliding_window_view(padded, window, axis=tuple(range(2, 2 + axes)))
        steps = (
            *(slice(None, None, s) for s in strides),
            *(slice(None, None, d) for d in dilations),
        )
        seen = seen[(slice(None), slice(None), *steps)]
        order = (0, *range(2, 2 + axes), 1, *range(2 + axes, 2 + 2 * axes))
        places = seen.shape[2 : 2 + axes]
        return seen.transpose(order).reshape(len(x), *places, -1)

    return patches
