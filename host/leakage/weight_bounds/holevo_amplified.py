"""The Holevo bound on the weights for a client that may also return modes amplified."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shotveil.host.leakage.amplified import amplified_per_mode
from shotveil.host.leakage.bound import Real, weight_bound


@weight_bound(
    label="collective attacks, modes treated in any way and amplified",
    theorem=True,
    covers="As holevo, and clients that return some modes amplified so as to keep light of others. "
    "It is what certified figures count.",
    order=15,
)
def holevo_amplified(
    inferences: ArrayLike,
    modulation_variance: ArrayLike,
    transmittance: ArrayLike,
    excess_noise: ArrayLike,
) -> Real:
    """Return `host.leakage.amplified.amplified_per_mode` of K inferences, in bits per real weight.

    The arguments and errors are those of `host.leakage.majorant.majorant_after`, in SNU.
    """
    together = np.multiply(inferences, modulation_variance, dtype=np.float64)
    return amplified_per_mode(together, modulation_variance, transmittance, excess_noise) / 2
