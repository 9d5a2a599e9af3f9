"""A client's way through a network's private layers, however the products are computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.link.encoding import Complex, Real, directions
from shotveil.models.networks.plan import ClientPlan


def with_constant(data: NDArray[np.floating[Any]], bias: bool) -> NDArray[np.float32]:
    """Data (n, inputs) as a layer's input: float32, with a last column of ones if `bias` is set."""
    x = np.asarray(data, dtype=np.float32)
    return np.pad(x, ((0, 0), (0, 1)), constant_values=1) if bias else x


def through_layers(
    plan: ClientPlan,
    images: NDArray[np.floating[Any]],
    read: Callable[[int, Complex], Real],
) -> Real:
    """Outputs (n, outputs) of a network for `images` (n, inputs), as its client reads them.

    plan: the client's steps; its operations are done here, in the clear.
    read: function of a private layer's number and of unit directions ξ (n·patches, N). It returns
        the products w·x̂ (n·patches, rows) with all rows of the layer, in the unit of the weights.

    Only directions enter the optics. The client keeps the norms, and multiplies its readings by
    them. Raises `RangeError` for images that do not fit the plan or are not finite.
    """

    def products(number: int, x: NDArray[Any]) -> Real:
        xi, norms = directions(with_constant(x, plan.layers[number].bias))
        return read(number, xi) * norms[:, None]

    return plan.run(images, products)
