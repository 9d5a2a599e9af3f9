"""The Holevo bound on the weights for a client who may treat every mode in its own way."""

from __future__ import annotations

from numpy.typing import ArrayLike

from shotveil.host.leakage.bound import Real, weight_bound
from shotveil.host.leakage.majorant import majorant_after


@weight_bound(
    label="collective attacks, modes treated in any way",
    theorem=True,
    covers="Collective attacks that leave the means of V, √T and ε over a row as they are, however "
    "they split noise and loss over its modes in any basis, whatever second moments of the weights "
    "the client knows, if no mode returns amplified. All of them for Gaussian weights, all "
    "Gaussian ones for weights of any distribution.",
    order=10,
)
def holevo(
    inferences: ArrayLike,
    modulation_variance: ArrayLike,
    transmittance: ArrayLike,
    excess_noise: ArrayLike,
) -> Real:
    """Return the least concave majorant of χ at K·V_A, √T and ε, per real weight.

    See `host.leakage.majorant.majorant_after`.
    """
    return majorant_after(inferences, modulation_variance, transmittance, excess_noise)
