"""The published Holevo figure, for a client to whom all modes are alike."""

from __future__ import annotations

from numpy.typing import ArrayLike

from shotveil.host.leakage.bound import Real, weight_bound
from shotveil.host.leakage.weights import weight_leakage_after


@weight_bound(
    label="if neither weights nor noise prefer a mode",
    theorem=False,
    covers="Collective attacks on weights whose energy is the same in every mode of every basis, "
    "with noise and loss that are the same in every mode. A client who knows more of the weights "
    "can exceed it.",
    order=20,
)
def holevo_mean(
    inferences: ArrayLike,
    modulation_variance: ArrayLike,
    transmittance: ArrayLike,
    excess_noise: ArrayLike,
) -> Real:
    """Return χ(1 + K·V_A, T, ε)/2 (see `host.leakage.weights.weight_leakage_after`)."""
    return weight_leakage_after(inferences, modulation_variance, transmittance, excess_noise)
