"""Outputs of a network as its client reads them, from F² alone and without light.

A reading of a layer is W·x + ‖x‖·rms(W)/F·n with n standard normal (docs/physics.md), whatever the
gain, photons, loss and detector that F² comes from. So this costs little more than the network
itself, and serves to choose a setting before any light is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError, require
from shotveil.models.networks.network import Network


@dataclass(frozen=True, eq=False)
class Readings:
    """Inputs of a network up to its first private layer, with the layer's noiseless products.

    values: What the plan has before that layer (`ClientPlan.begin`).
    clean, norms: The products, shape (n, rows), and ‖x‖, shape (n, 1), of the layer's inputs.
    """

    network: Network
    values: dict[str, NDArray[Any]]
    clean: NDArray[np.float32]
    norms: NDArray[np.float32]

    @classmethod
    def of(cls, network: Network, values: dict[str, NDArray[Any]]) -> Readings:
        """Compute what does not depend on F². Raises `RangeError` for values that do not fit."""
        clean, norms = _products(network, 0, network.plan.taken(values))
        return cls(network, values, clean, norms)

    def outputs(self, f2: float | Sequence[float], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the outputs (n, outputs) that a client reads at F² (see `noisy_outputs`)."""
        network, each = self.network, f2_of_each(self.network, f2)
        for value in each:
            if value != np.inf:
                require("F²", value, at_least=0)

        def products(number: int, x: NDArray[Any]) -> NDArray[np.float32]:
            clean, norms = _products(network, number, x) if number else (self.clean, self.norms)
            if each[number] == np.inf:
                return clean
            unit = norms * np.float32(network.layers[number].rms)
            noise = rng.standard_normal(clean.shape, dtype=np.float32) * unit
            f = np.float32(np.sqrt(each[number]))
            return np.asarray(clean + noise / f if f else noise)

        return np.asarray(network.plan.finish(self.values, products), dtype=np.float64)


def f2_of_each(network: Network, f2: float | Sequence[float]) -> list[float]:
    """Return F² of each layer, given for all layers or for each.

    Raises `RangeError` for another number of them than layers.
    """
    count = len(network.layers)
    each = [float(f2)] * count if np.isscalar(f2) else [float(v) for v in f2]  # type: ignore[arg-type,union-attr]
    if len(each) != count:
        raise RangeError(f"{len(each)} values of F² given; allowed: {count}")
    return each


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
    return Readings.of(network, values).outputs(f2, rng)


def _products(
    network: Network, number: int, x: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a layer's noiseless products with inputs x, and the norms of what meets its rows."""
    layer = network.layers[number]
    inputs = layer.inputs_of(x)
    norms = np.linalg.norm(inputs, axis=1, keepdims=True)
    return np.asarray(inputs @ layer.weights.T), norms
