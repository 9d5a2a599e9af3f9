"""Declared leakage of a whole network: what the settings imply, before any light is sent."""

from __future__ import annotations

from dataclasses import dataclass

from shotveil.host.leakage.catalogue import WEIGHT_BOUND, WEIGHT_BOUNDS
from shotveil.host.leakage.data import data_leakage
from shotveil.models.common.checks import require
from shotveil.models.link.encoding import modes_of
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network


@dataclass(frozen=True)
class LayerLeakage:
    """Of one layer, in bits: per real weight for one and for K inferences, per data element.

    The first two are under the bound that weight budgets are held against; then all bounds by name.
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
    """Of a network. The weights' figures are means over all weights, the data's that of the input.

    inferences: K, over which `weight_leakage_bits_after` is taken. The rest as in `LayerLeakage`.
    """

    inferences: int
    weight_leakage_bits: float
    weight_leakage_bits_after: float
    weight_bounds_bits: dict[str, float]
    weight_bounds_bits_after: dict[str, float]
    data_leakage_bits: dict[str, float]
    layers: tuple[LayerLeakage, ...]


def layer_leakage(link: Link, rows: int, columns: int, inferences: int = 1) -> LayerLeakage:
    """Leakage of a layer of `rows` × `columns` weights under the settings of `link`.

    Raises `RangeError` for anything but integers ≥ 1.
    """
    require("rows", rows, at_least=1, integer=True)
    require("columns", columns, at_least=1, integer=True)
    require("inferences", inferences, at_least=1, at_most=1e15, integer=True)
    modes = modes_of(columns)
    channel = link.declared_transmittance, link.declared_excess_noise(modes)
    once, after = (
        {
            name: float(bound(k, link.modulation_variance, *channel))
            for name, bound in WEIGHT_BOUNDS.items()
        }
        for k in (1, inferences)
    )
    data = data_leakage(link.noise_quantum, rows, modes)
    data_bits = {name: float(bits) for name, bits in data.items()}
    return LayerLeakage(
        rows, columns, modes, once[WEIGHT_BOUND], after[WEIGHT_BOUND], once, after, data_bits
    )


def network_leakage(network: Network, link: Link, inferences: int = 1) -> NetworkLeakage:
    """Leakage of every layer of `network` and of all together under the settings of `link`.

    All figures are upper bounds in bits, for one inference, and the weights' also for `inferences`
    of them together (`NetworkLeakage`). Raises `RangeError` unless `inferences` is an integer ≥ 1.

    >>> from shotveil import load_network
    >>> leaked = network_leakage(load_network("mnist"), Link(gain=1.02, photons=20), 1000)
    >>> f"{leaked.weight_leakage_bits:.4f} {leaked.weight_leakage_bits_after:.2f} bits per weight"
    '0.0112 1.54 bits per weight'
    >>> f"{leaked.data_leakage_bits['qcrb']:.2f} bits per pixel under the bound qcrb"
    '0.20 bits per pixel under the bound qcrb'
    """
    layers = tuple(
        layer_leakage(link, layer.rows, layer.columns, inferences) for layer in network.layers
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
