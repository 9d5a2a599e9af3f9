"""The Holevo bound on the weights."""

from __future__ import annotations

from numpy.typing import ArrayLike

from shotveil.host.leakage.bound import Real, weight_bound
from shotveil.host.leakage.weights import weight_leakage_after


@weight_bound(
    label="collective attacks",
    theorem=True,
    covers="Collective attacks that leave V, T and ε as they are: all of them for Gaussian "
    "weights, all Gaussian ones for weights of any distribution.",
    order=10,
)
def holevo(
    inferences: ArrayLike,
    modulation_variance: ArrayLike,
    transmittance: ArrayLike,
    excess_noise: ArrayLike,
) -> Real:
    """Return χ(1 + K·V_A, T, ε)/2 (see `host.leakage.weights.weight_leakage_after`)."""
    return weight_leakage_after(inferences, modulation_variance, transmittance, excess_noise)
