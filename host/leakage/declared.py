"""Declared leakage of a whole network, as the settings imply it before any light is sent.

Totals count all weights of a layer or network, and all that its light tells of one image. The rows
of every layer carry data that come from the image, so the bits per image of all layers add up
(chain rule, docs/physics.md section 7).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shotveil.host.leakage.catalogue import DATA_BOUNDS, WEIGHT_BOUND, WEIGHT_BOUNDS
from shotveil.host.leakage.data import data_leakage, image_bits
from shotveil.models.common.checks import require
from shotveil.models.link.encoding import modes_of
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network


@dataclass(frozen=True)
class LayerLeakage:
    """The declared leakage of one layer, per real weight or data element and in total.

    rows, columns: Shape of the layer's weights.
    modes: Number of complex modes of a row.
    weight_leakage_bits, weight_leakage_bits_after: Leakage of the weights for one and for K
        inferences, under the bound that weight budgets use.
    weight_bounds_bits, weight_bounds_bits_after: The same under every bound, by name.
    data_leakage_bits: Leakage of the data under every bound, by name; for a layer that meets
        several patches of an image, per element of a patch.
    total_weight_bits, total_weight_bits_after: Bits of all weights together, under every bound, for
        one and for K inferences. A mode that holds only one weight counts as full.
    image_bits: Bits that the layer's light tells of one image, all its patches, under every bound.
    """

    rows: int
    columns: int
    modes: int
    weight_leakage_bits: float
    weight_leakage_bits_after: float
    weight_bounds_bits: dict[str, float]
    weight_bounds_bits_after: dict[str, float]
    data_leakage_bits: dict[str, float]
    total_weight_bits: dict[str, float]
    total_weight_bits_after: dict[str, float]
    image_bits: dict[str, float]


@dataclass(frozen=True)
class NetworkLeakage:
    """The declared leakage of a network.

    Figures per weight are means over all weights, and figures per data element are those of the
    first layer, which takes the input. Totals, `image_bits` among them, are sums over the layers.
    inferences: Number K of inferences for `weight_leakage_bits_after`. The other fields are as in
    `LayerLeakage`.
    """

    inferences: int
    weight_leakage_bits: float
    weight_leakage_bits_after: float
    weight_bounds_bits: dict[str, float]
    weight_bounds_bits_after: dict[str, float]
    data_leakage_bits: dict[str, float]
    total_weight_bits: dict[str, float]
    total_weight_bits_after: dict[str, float]
    image_bits: dict[str, float]
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
    quadratures = rows * 2 * modes
    returned = (
        link.returned_noise_quantum_at(link.gain),
        rows,
        modes,
        link.coherent_photons_at(link.photons, modes),
    )
    data = data_leakage(*returned)
    data_bits = {name: float(bits) for name, bits in data.items()}
    return LayerLeakage(
        rows,
        columns,
        modes,
        once[WEIGHT_BOUND],
        after[WEIGHT_BOUND],
        once,
        after,
        data_bits,
        {name: quadratures * bits for name, bits in once.items()},
        {name: quadratures * bits for name, bits in after.items()},
        {name: patches * float(bits) for name, bits in image_bits(*returned).items()},
    )


def network_leakage(network: Network, link: Light, inferences: int = 1) -> NetworkLeakage:
    """Return the leakage of each layer of `network`, and of all together, under `link`.

    link: One link for all layers, or a sequence with one for each.

    All figures are in bits for one inference, under bounds and estimates by name; those of the
    weights are given for `inferences` of them together as well (`NetworkLeakage`). Raises
    `RangeError` unless `inferences` is an integer ≥ 1.

    >>> from shotveil import load_network
    >>> leaked = network_leakage(load_network("mnist"), Link(gain=1.02, photons=20), 1000)
    >>> f"{leaked.weight_leakage_bits:.4f} {leaked.weight_leakage_bits_after:.2f} bits per weight"
    '0.0508 1.54 bits per weight'
    >>> f"{leaked.total_weight_bits['holevo']:,.0f} bits of all weights in one inference"
    '126,509 bits of all weights in one inference'
    >>> f"{leaked.image_bits['holevo']:.0f} bits of an image under the bound holevo"
    '531 bits of an image under the bound holevo'
    """
    layers = tuple(
        layer_leakage(each, layer.rows, layer.columns, inferences, layer.patches)
        for layer, each in zip(network.layers, links_of(link, len(network.layers)), strict=True)
    )

    def total(of: str, bounds: Iterable[str]) -> dict[str, float]:
        return {name: sum(getattr(layer, of)[name] for layer in layers) for name in bounds}

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
        total("total_weight_bits", WEIGHT_BOUNDS),
        total("total_weight_bits_after", WEIGHT_BOUNDS),
        total("image_bits", DATA_BOUNDS),
        layers,
    )
