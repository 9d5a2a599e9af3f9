"""Outputs of a network as its client reads them, from F² alone and without light.

A reading of a layer is W·x + ‖x‖·rms(W)/F·n with n standard normal (docs/physics.md), whatever the
gain, photons, loss and detector that F² comes from. So this costs little more than the network
itself, and serves to choose a setting before any light is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError, require
from shotveil.models.networks.network import Network


def noisy_outputs(
    network: Network,
    values: dict[str, NDArray[Any]],
    f2: float | Sequence[float],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the outputs (n, outputs) that a client reads at F².

    values: What the network's plan has before the first private layer (`ClientPlan.begin`).
    f2: F² ≥ 0 of all layers, or of each; infinite for readings without noise. At 0 the readings are
        noise alone, in a unit in which its variance is (‖x‖·rms)².

    Raises `RangeError` for a negative F² or another number of them than layers.
    """
    each = [float(f2)] * len(network.layers) if np.isscalar(f2) else [float(v) for v in f2]  # type: ignore[arg-type,union-attr]
    if len(each) != len(network.layers):
        raise RangeError(f"{len(each)} values of F² given; allowed: {len(network.layers)}")
    for value in each:
        if value != np.inf:
            require("F²", value, at_least=0)

    def products(number: int, x: NDArray[Any]) -> NDArray[np.float32]:
        layer = network.layers[number]
        inputs = layer.inputs_of(x)
        clean = inputs @ layer.weights.T
        if each[number] == np.inf:
            return np.asarray(clean)
        unit = np.linalg.norm(inputs, axis=1, keepdims=True) * np.float32(layer.rms)
        noise = rng.standard_normal(clean.shape, dtype=np.float32) * unit
        f = np.float32(np.sqrt(each[number]))
        return np.asarray(clean + noise / f if f else noise)

    return np.asarray(network.plan.finish(values, products), dtype=np.float64)
