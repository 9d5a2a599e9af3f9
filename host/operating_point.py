"""The most light that a network may use inside given leakage budgets: its operating point."""

from __future__ import annotations

import math
from dataclasses import replace

from scipy.optimize import brentq, minimize_scalar

from host.leakage.declared import network_leakage
from models.checks import RangeError, require
from models.network import Network
from models.optics import Link

# Gains that are searched: below, G − 1 is finer than any amplifier is set; above, the amplifier's
# noise only rises with gain.
_LEAST, _MOST = 1e-7, 1 + math.sqrt(2)
_MOST_PHOTONS = 1e12


def within_budgets(
    network: Network, weight_bits: float, data_bits: float, data_bound: str, channel: Link
) -> Link:
    """The link of highest F² whose declared leakage keeps inside both budgets.

    weight_bits: bits per real weight and inference, mean over the network. data_bits: bits per data
    element under `data_bound` (crb_v1, crb_prx, qcrb or holevo). channel: everything else; its gain
    and photon number are replaced.

    Data leakage grows with gain alone and so bounds it from above; at each gain the weight budget
    fixes the photon number, and the gain of highest F² is chosen. Raises `RangeError` when a budget
    cannot be met.
    """
    require("weight budget", weight_bits, above=0)
    require("data budget", data_bits, above=0)

    def data_excess(log_gain: float) -> float:
        link = replace(channel, gain=1 + math.exp(log_gain), photons=0.0)
        leakage = network_leakage(network, link).data_leakage_bits
        if data_bound not in leakage:
            raise RangeError(f"data bound = {data_bound!r} is none of {', '.join(leakage)}")
        return leakage[data_bound] - data_bits

    low, high = math.log(_LEAST), math.log(_MOST)
    if data_excess(low) > 0:
        raise RangeError(
            f"data budget = {data_bits:g} bits is below what {data_bound} gives at the least gain, "
            f"{data_excess(low) + data_bits:.3g}"
        )
    if data_excess(high) > 0:
        # A hair inside, so that rounding does not put the result over the budget.
        high = brentq(data_excess, low, high, xtol=1e-12) - 1e-9

    def at_weight_budget(log_gain: float) -> Link:
        link = replace(channel, gain=1 + math.exp(log_gain), photons=0.0)

        def weight_excess(log_photons: float) -> float:
            lit = replace(link, photons=math.exp(log_photons))
            return network_leakage(network, lit).weight_leakage_bits - weight_bits

        most = math.log(_MOST_PHOTONS)
        if weight_excess(most) <= 0:
            return replace(link, photons=_MOST_PHOTONS)
        log_photons = brentq(weight_excess, math.log(1e-12), most, xtol=1e-12)
        return replace(link, photons=math.exp(log_photons - 1e-9))

    best = minimize_scalar(
        lambda log_gain: -at_weight_budget(log_gain).f2, bounds=(low, high), method="bounded"
    )
    candidates = [at_weight_budget(log_gain) for log_gain in (best.x, high)]
    return max(candidates, key=lambda link: link.f2)
