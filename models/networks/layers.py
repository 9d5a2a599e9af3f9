"""A client's way through a network, layer by layer, however the products are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.link.encoding import Complex, Real, directions


def with_constant(data: NDArray[np.floating[Any]], bias: bool) -> NDArray[np.float32]:
    """Data (n, inputs) as a layer's input: float32, with a last column of ones if `bias` is set."""
    x = np.asarray(data, dtype=np.float32)
    return np.pad(x, ((0, 0), (0, 1)), constant_values=1) if bias else x


def through_layers(
    biases: Sequence[bool],
    images: NDArray[np.floating[Any]],
    read: Callable[[int, Complex], Real],
) -> Real:
    """Outputs (n, classes) of a network for `images` (n, inputs), as its client reads them.

    biases: whether each layer has a bias, first to last.
    read: function of a layer's number and of unit directions ξ (n, N). It returns the products w·x̂
        (n, rows) with all rows of the layer, in the unit of the weights.

    Only directions enter the optics. The client keeps the norms, multiplies its readings by them,
    and applies ReLU between layers. Raises `RangeError` for images that are not a finite matrix.
    """
    data: NDArray[np.floating[Any]] = images
    for number, bias in enumerate(biases):
        xi, norms = directions(with_constant(data, bias))
        outputs = read(number, xi) * norms[:, None]
        data = np.maximum(outputs, 0)
    return outputs
