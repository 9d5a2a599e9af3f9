"""Which limits hold an operating point where it is."""

from __future__ import annotations

from numpy.typing import ArrayLike

from shotveil.host.design.certify import MOST_RATIO, LineTime, certified_bits
from shotveil.host.design.operating_point import (
    Budgets,
    budgeted_bits,
    data_bits,
    image_bits,
    weight_bits,
)
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network

_CLOSE = 1e-3  # relative distance from a limit at which it counts as reached


def certified_ratio(network: Network, link: Link, time: LineTime) -> float:
    """Return certified over declared leakage of the weights in one inference after `time`."""
    declared = weight_bits(network, link, link.gain, link.photons)
    return float(certified_bits(network, link, link.gain, link.photons, time) / declared)


def binding(
    network: Network, link: Light, budgets: Budgets, time: LineTime | None = None
) -> dict[str, str]:
    """Return the limits that the operating point `link` has reached, each with what it holds.

    link: One link for all layers, or a sequence with one for each.
    time: Line time of a certificate, which is planned for one link only.

    The names are "weights", "data", "image", "certificate" and "converters". The result is empty
    where accuracy alone asks for the light.
    """
    links = links_of(link, len(network.layers))
    gains: list[ArrayLike] = [each.gain for each in links]
    light: list[ArrayLike] = [each.photons for each in links]
    first, bound = links[0], budgets.data_bound
    reached = {
        "weights": (
            budgeted_bits(network, first, budgets, gains, light),
            budgets.weight_limit(network),
            "the weight budget limits the light",
        ),
        "data": (
            data_bits(network, gains[0], bound, first, light[0]),
            budgets.data_bits,
            "the data budget keeps the gain low",
        ),
        "image": (
            image_bits(network, gains, bound, budgets.decoy_rate, first, light),
            budgets.image_bits,
            "the image budget keeps the gain low",
        ),
    }
    found = {
        name: holds
        for name, (bits, limit, holds) in reached.items()
        if limit is not None and float(bits) >= limit * (1 - _CLOSE)
    }
    if time is not None and certified_ratio(network, first, time) >= MOST_RATIO * (1 - _CLOSE):
        found["certificate"] = "the time to certify keeps the gain high"
    if any(each.photons >= each.most_photons_at(each.gain) * (1 - _CLOSE) for each in links):
        found["converters"] = "the converters' range limits the light"
    return found
