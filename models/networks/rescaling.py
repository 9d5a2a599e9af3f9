"""Hidden units rescaled, which costs nothing and lets a network stand more noise.

A unit with ReLU, or leaky ReLU, computes the same if its incoming weights are multiplied by s > 0
and its outgoing ones are divided by s. All rows of a layer share the light, by the root mean square
of the layer's weights, so a unit's reading has a noise that does not depend on its own weights. How
much of that noise goes on depends on the outgoing ones. With s = √(‖w_out‖/‖w_in‖) both have the
same norm, so units that count more get more of the light.
"""

from __future__ import annotations

import numpy as np

from shotveil.models.networks.network import Layer, Network
from shotveil.models.networks.operations import Operation

_HOMOGENEOUS = ("relu", "leaky_relu")


def rescaled(network: Network) -> Network:
    """Return a network with the same outputs, whose hidden units are rescaled as above.

    That is done between layers with nothing but ReLU or leaky ReLU between them, first to last;
    other layers stay as they are. A unit without incoming or outgoing weights stays as it is. The
    weights are not rounded to int8 again.

    >>> rng = np.random.default_rng(1)
    >>> network = Network("mine", (Layer(rng.normal(size=(8, 4))), Layer(rng.normal(size=(3, 8)))))
    >>> even, x = rescaled(network), rng.normal(size=(5, 4))
    >>> bool(np.allclose(even.forward(x), network.forward(x), atol=1e-5))
    True
    """
    weights = [layer.weights.astype(np.float64) for layer in network.layers]
    for first, second in _neighbours(network):
        incoming = np.linalg.norm(weights[first], axis=1)
        outgoing = np.linalg.norm(weights[second][:, : len(incoming)], axis=0)
        used = (incoming > 0) & (outgoing > 0)
        scale = np.sqrt(np.divide(outgoing, incoming, out=np.ones_like(incoming), where=used))
        scale[~used] = 1
        weights[first] *= scale[:, None]
        weights[second][:, : len(incoming)] /= scale
    layers = tuple(
        Layer(w.astype(np.float32), layer.bias, layer.patches)
        for w, layer in zip(weights, network.layers, strict=True)
    )
    return Network(network.name, layers, {**network.about, "rescaled": True}, network.plan)


def _neighbours(network: Network) -> list[tuple[int, int]]:
    """Return the pairs of layers with nothing but a homogeneous activation between them."""
    steps = network.plan.steps
    found = []
    for before, between, behind in zip(steps, steps[1:], steps[2:], strict=False):
        if not isinstance(before.does, int) or not isinstance(behind.does, int):
            continue
        follows = between.takes == before.gives and behind.takes == between.gives
        alone = sum(before.gives[0] in step.takes for step in steps) == 1
        alone &= sum(between.gives[0] in step.takes for step in steps) == 1
        does = between.does
        if follows and alone and isinstance(does, Operation) and does.kind in _HOMOGENEOUS:
            found.append((before.does, behind.does))
    return found
