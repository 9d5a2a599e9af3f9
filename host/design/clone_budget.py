"""Budgets that follow from what a client can clone by plain use.

Every client reads what it needs to clone a network (`host.run.extraction`). Once enough inferences
are out for a clone as good as the original, no bound on light protects the weights any longer. So
what those inferences leak is the largest budget that still means something.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.extraction_curve import MARGIN, PossibleClone, clone_of
from shotveil.models.common.checks import require
from shotveil.models.common.search import most_fitting
from shotveil.models.link.amplifier import inference_noise, noise_quantum
from shotveil.models.link.light import Light, links_of
from shotveil.models.networks.network import Network

MOST_INFERENCES = 10**9


@dataclass(frozen=True)
class CloneBudget:
    """The declared leakage of as many inferences as make a clone as good as the original.

    bits: Bits per weight, as the mean over the network.
    inferences: The number of inferences.
    original: Accuracy of the original.
    """

    bits: float
    inferences: int
    original: float

    def __str__(self) -> str:
        """A sentence for people."""
        return (
            f"{self.bits:.4g} bits per weight, what {self.inferences:,} inferences leak, after "
            f"which a clone within {100 * MARGIN:g} point of the original ({self.original:.1%}) is "
            "possible by plain use"
        )


def clone_budget(network: Network, light: Light) -> CloneBudget | None:
    """Return the budget that follows from a network's extraction curve; None without a curve.

    light: The declared link of all layers, or of each.

    None is returned as well where no number of inferences makes such a clone.
    """
    clone = clone_of(network.digest, 1, [link.f2 for link in links_of(light, len(network.layers))])
    if clone is None or clone.as_good_after is None:
        return None
    leaked = network_leakage(network, light, clone.as_good_after).weight_leakage_bits_after
    return CloneBudget(leaked, clone.as_good_after, clone.original)


def inferences_within(network: Network, light: Light, bits: float) -> int:
    """Return the most inferences whose declared leakage is at most `bits` ≥ 0 per weight.

    The result is at most 10⁹, and 0 where a single inference leaks more.
    """
    require("budget", bits, at_least=0)

    def fits(inferences: int) -> bool:
        return network_leakage(network, light, inferences).weight_leakage_bits_after <= bits

    return most_fitting(fits, MOST_INFERENCES)


def clone_of_light(
    digest: str, inferences: int, light: Sequence[tuple[float, float, int]]
) -> PossibleClone | None:
    """Return the clone that is possible with the light that a ledger knows; None without a curve.

    light: For each layer V_A, the declared excess noise (SNU) and the number of modes N.

    A ledger knows no gain. The excess noise is at least g/N, and less gain reads worse, so F² is at
    most that of the gain at which g = N·ε, of an ideal detector, and of no loss. It is exact on an
    ideal link.
    """
    clone = clone_of(digest, inferences, [_most_f2(*layer) for layer in light])
    return None if clone is None else replace(clone, hedge="up to ")


def _most_f2(modulation_variance: float, excess_noise: float, modes: int) -> float:
    best = 2 + math.sqrt(2)  # the gain of the least noise of readings
    quantum = min(modes * excess_noise, noise_quantum(best))
    return modulation_variance / inference_noise(max(2 / (2 - quantum), 1 + 1e-12))
