"""Hidden units in another order: a network that computes the same from other matrices."""

from __future__ import annotations

from itertools import pairwise
from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network

Orders = tuple[NDArray[np.intp], ...]
"""For every layer but the last, which of its units stands at each place, shape (rows,)."""


def draw_orders(network: Network, rng: np.random.Generator) -> Orders:
    """Return a new random order of the hidden units of every layer.

    Raises `RangeError` unless the plan is that of a dense network and the network has a hidden
    layer.
    """
    require_hidden_units(network)
    return tuple(rng.permutation(layer.rows) for layer in network.layers[:-1])


def require_hidden_units(network: Network) -> None:
    """Raise `RangeError` unless a network has hidden units that may change places."""
    if not network.plan.plain or len(network.layers) < 2:
        raise RangeError(
            f"network = {network.name} cannot be permuted; allowed: whole files of dense networks "
            "with a hidden layer"
        )


def with_inputs_in_order(layer: Layer, order: NDArray[np.intp]) -> Layer:
    """Return a layer whose inputs come in another order, the constant of a bias behind them."""
    columns = np.append(order, range(len(order), layer.columns)).astype(np.intp)
    return Layer(layer.weights[:, columns], layer.bias, layer.patches)


def permuted(network: Network, rng: np.random.Generator) -> Network:
    """Return the network with the hidden units of every layer in a new random order.

    The rows of a layer and the columns of the next one move together, so its outputs stay as they
    are, to rounding. Raises `RangeError` as `draw_orders`.
    """
    orders = draw_orders(network, rng)
    layers = list(network.layers)
    for number, ((layer, following), order) in enumerate(
        zip(pairwise(network.layers), orders, strict=True)
    ):
        moved = layers[number].weights[order]
        layers[number] = Layer(moved, layer.bias, layer.patches)
        layers[number + 1] = with_inputs_in_order(following, order)
    return Network(network.name, tuple(layers), network.about, network.plan)


def order_bits(rows: int) -> float:
    """Return log₂ M!, the bits that the order of M hidden units holds; it can hide no more."""
    return lgamma(rows + 1) / log(2)
