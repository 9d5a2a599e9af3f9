"""A network layer by layer, as its client goes through it, whatever carries the products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.link.encoding import Complex, Real, directions


def with_constant(data: NDArray[np.floating[Any]], bias: bool) -> NDArray[np.float32]:
    """Data (n, inputs) as a layer takes it: float32, with a constant 1 at the end for a `bias`."""
    x = np.asarray(data, dtype=np.float32)
    return np.pad(x, ((0, 0), (0, 1)), constant_values=1) if bias else x


def through_layers(
    biases: Sequence[bool],
    images: NDArray[np.floating[Any]],
    read: Callable[[int, Complex], Real],
) -> Real:
    """Outputs (n, classes) of a network for `images` (n, inputs), as its client reads them.

    biases: whether a layer has one, first to last. read: called with a layer's number and unit
    directions ξ (n, N); returns the products w·x̂ (n, rows) of all its rows, in the weights' unit.

    Only directions meet the optics. The norm stays with the client, which multiplies it back onto
    what it reads; between layers it applies ReLU.
    """
    data: NDArray[np.floating[Any]] = images
    for number, bias in enumerate(biases):
        xi, norms = directions(with_constant(data, bias))
        outputs = read(number, xi) * norms[:, None]
        data = np.maximum(outputs, 0)
    return outputs
