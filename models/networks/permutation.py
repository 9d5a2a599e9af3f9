"""Hidden units in another order: a network that computes the same from other matrices."""

from __future__ import annotations

from itertools import pairwise
from math import lgamma, log

import numpy as np

from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network


def permuted(network: Network, rng: np.random.Generator) -> Network:
    """Return the network with the hidden units of every layer in a new random order.

    The rows of a layer and the columns of the next one move together, so its outputs stay as they
    are, to rounding. Raises `RangeError` unless the plan is that of a dense network and the network
    has a hidden layer.
    """
    if not network.plan.plain or len(network.layers) < 2:
        raise RangeError(
            f"network = {network.name} cannot be permuted; allowed: dense networks with a hidden "
            "layer"
        )
    matrices = [layer.weights for layer in network.layers]
    for number, (layer, following) in enumerate(pairwise(network.layers)):
        order = rng.permutation(layer.rows)
        matrices[number] = matrices[number][order]
        # The column of a bias is the last one, and stays there.
        columns = np.append(order, range(layer.rows, following.columns)).astype(np.intp)
        matrices[number + 1] = matrices[number + 1][:, columns]
    layers = tuple(
        Layer(weights, layer.bias, layer.patches)
        for weights, layer in zip(matrices, network.layers, strict=True)
    )
    return Network(network.name, layers, network.about, network.plan)


def order_bits(rows: int) -> float:
    """Return log₂ M!, the bits that the order of M hidden units holds; it can hide no more."""
    return lgamma(rows + 1) / log(2)
