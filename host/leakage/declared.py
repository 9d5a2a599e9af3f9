"""Declared leakage of a whole network, as the settings imply it before any light is sent."""

from __future__ import annotations

from dataclasses import dataclass

from shotveil.host.leakage.catalogue import WEIGHT_BOUND, WEIGHT_BOUNDS
from shotveil.host.leakage.data import data_leakage
from shotveil.models.common.checks import require
from shotveil.models.link.encoding import modes_of
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network


@dataclass(frozen=True)
class LayerLeakage:
    """The declared leakage of one layer, in bits per real weight or per data element.

    rows, columns: Shape of the layer's weights.
    modes: Number of complex modes of a row.
    weight_leakage_bits, weight_leakage_bits_after: Leakage of the weights for one and for K
        inferences, under the bound that weight budgets use.
    weight_bounds_bits, weight_bounds_bits_after: The same under every bound, by name.
    data_leakage_bits: Leakage of the data under every bound, by name; for a layer that meets
        several patches of an image, per element of a patch.
    """

    rows: int
    columns: int
    modes: int
    weight_leakage_bits: float
    weight_leakage_bits_after: float
    weight_bounds_bits: dict[str, float]
    weight_bounds_bits_after: dict[str, float]
    data_leakage_bits: dict[str, float]


@dataclass(frozen=True)
class NetworkLeakage:
    """The declared leakage of a network.

    Figures of the weights are means over all weights, and figures of the data are those of the
    first layer, which takes the input. inferences: Number K of inferences for
    `weight_leakage_bits_after`. The other fields are as in `LayerLeakage`.
    """

    inferences: int
    weight_leakage_bits: float
    weight_leakage_bits_after: float
    weight_bounds_bits: dict[str, float]
    weight_bounds_bits_after: dict[str, float]
    data_leakage_bits: dict[str, float]
    layers: tuple[LayerLeakage, ...]


def layer_leakage(
    link: Link, rows: int, columns: int, inferences: int = 1, patches: int = 1
) -> LayerLeakage:
    """Return the leakage of a layer of `rows` × `columns` weights under the settings of `link`.

    patches: Number of times that the rows are sent for one inference, once for each patch.

    Raises `RangeError` unless rows, columns, inferences and patches are integers ≥ 1.
    """
    require("rows", rows, at_least=1, integer=True)
    require("columns", columns, at_least=1, integer=True)
    require("inferences", inferences, at_least=1, at_most=1e15, integer=True)
    require("patches", patches, at_least=1, integer=True)
    modes = modes_of(columns)
    channel = link.declared_transmittance_at(modes), link.declared_excess_noise(modes)
    once, after = (
        {
            name: float(bound(k * patches, link.modulation_variance, *channel))
            for name, bound in WEIGHT_BOUNDS.items()
        }
        for k in (1, inferences)
    )
    data = data_leakage(
        link.returned_noise_quantum_at(link.gain),
        rows,
        modes,
        link.coherent_photons_at(link.photons, modes),
    )
    data_bits = {name: float(bits) for name, bits in data.items()}
    return LayerLeakage(
        rows, columns, modes, once[WEIGHT_BOUND], after[WEIGHT_BOUND], once, after, data_bits
    )


def network_leakage(network: Network, link: Light, inferences: int = 1) -> NetworkLeakage:
    """Return the leakage of each layer of `network`, and of all together, under `link`.

    link: One link for all layers, or a sequence with one for each.

    All figures are upper bounds in bits for one inference; those of the weights are given for
    `inferences` of them together as well (`NetworkLeakage`). Raises `RangeError` unless
    `inferences` is an integer ≥ 1.

    >>> from shotveil import load_network
    >>> leaked = network_leakage(load_network("mnist"), Link(gain=1.02, photons=20), 1000)
    >>> f"{leaked.weight_leakage_bits:.4f} {leaked.weight_leakage_bits_after:.2f} bits per weight"
    '0.0112 1.54 bits per weight'
    >>> f"{leaked.data_leakage_bits['qcrb']:.2f} bits per pixel under the bound qcrb"
    '0.20 bits per pixel under the bound qcrb'
    """
    layers = tuple(
        layer_leakage(each, layer.rows, layer.columns, inferences, layer.patches)
        for layer, each in zip(network.layers, links_of(link, len(network.layers)), strict=True)
    )

    def mean(of: str) -> dict[str, float]:
        return {
            name: float(
                sum(getattr(layer, of)[name] * layer.rows * layer.columns for layer in layers)
                / network.weights
            )
            for name in WEIGHT_BOUNDS
        }

    once, after = mean("weight_bounds_bits"), mean("weight_bounds_bits_after")
    return NetworkLeakage(
        inferences,
        once[WEIGHT_BOUND],
        after[WEIGHT_BOUND],
        once,
        after,
        layers[0].data_leakage_bits,
        layers,
    )
