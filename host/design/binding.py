"""Which limits hold an operating point where it is."""

from __future__ import annotations

from shotveil.host.design.certify import MOST_RATIO, LineTime, certified_bits
from shotveil.host.design.operating_point import Budgets, budgeted_bits, data_bits, weight_bits
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network

_CLOSE = 1e-3  # relative distance from a limit at which it counts as reached


def certified_ratio(network: Network, link: Link, time: LineTime) -> float:
    """Return certified over declared leakage of the weights in one inference after `time`."""
    declared = weight_bits(network, link, link.gain, link.photons)
    return float(certified_bits(network, link, link.gain, link.photons, time) / declared)


def binding(
    network: Network, link: Link, budgets: Budgets, time: LineTime | None = None
) -> dict[str, str]:
    """Return the limits that the operating point `link` has reached, each with what it holds.

    The names are "weights", "data", "certificate" and "converters". The result is empty where
    accuracy alone asks for the light.
    """
    found = {}
    weights = float(budgeted_bits(network, link, budgets, link.gain, link.photons))
    limit = budgets.weight_limit(network)
    if limit is not None and weights >= limit * (1 - _CLOSE):
        found["weights"] = "the weight budget limits the light"
    data = float(data_bits(network, link.gain, budgets.data_bound, link, link.photons))
    if budgets.data_bits is not None and data >= budgets.data_bits * (1 - _CLOSE):
        found["data"] = "the data budget keeps the gain low"
    if time is not None and certified_ratio(network, link, time) >= MOST_RATIO * (1 - _CLOSE):
        found["certificate"] = "the time to certify keeps the gain high"
    if link.photons >= link.most_photons_at(link.gain) * (1 - _CLOSE):
        found["converters"] = "the converters' range limits the light"
    return found
