"""The Holevo bound on the weights for a client that may also return modes amplified."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shotveil.host.leakage.bound import Real, weight_bound
from shotveil.host.leakage.majorant import majorant_after
from shotveil.models.common.checks import require


@weight_bound(
    label="collective attacks, modes treated in any way and amplified",
    theorem=True,
    covers="As holevo, and clients that return some modes amplified so as to keep light of others. "
    "Where the receiver tests the slope of each component of the weights, a client that does so is "
    "noticed in time.",
    order=15,
)
def holevo_amplified(
    inferences: ArrayLike,
    modulation_variance: ArrayLike,
    transmittance: ArrayLike,
    excess_noise: ArrayLike,
) -> Real:
    """Return `holevo` at √T − ½·√(ε/V_A), the least mean slope of modes that are not amplified.

    An amplified mode holds no more than one of T = 1, so only the slope that it lends to others
    counts: Σ λ_k(√T_k − √T)⁺ = ½Σ λ_k|√T_k − √T| over the energies λ_k of a row. The server's
    residual holds Σ λ_k(√T_k − √T)² ≤ N·ε, and Cauchy and Schwarz give at most ½·√(Nε·Σλ_k).
    The arguments and errors are those of `host.leakage.majorant.majorant_after`, in SNU.
    """
    require("modulation_variance", modulation_variance, at_least=0)
    require("transmittance", transmittance, at_least=0, at_most=1)
    require("excess_noise", excess_noise, at_least=0)
    a, t, e = (
        np.asarray(x, dtype=np.float64) for x in (modulation_variance, transmittance, excess_noise)
    )
    lent = np.sqrt(e / np.where(a > 0, a, np.inf)) / 2
    slope = np.maximum(0.0, np.sqrt(t) - lent)
    return majorant_after(inferences, a, slope**2, e)
