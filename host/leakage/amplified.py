"""The majorant for clients that may also return modes amplified.

An amplified mode (T_k > 1, ε_k ≥ 2(T_k − 1)) leaks no more than one of T = 1 and noise ε_k/T_k:
losing light behind the amplifier until T = 1 leaves that noise and can only add to what the client
holds. So modes with T_k ≤ 1 are all that is needed, at a mean slope that is lower by what the
amplified modes lend to the others beyond 1. The server's residual limits that, and what it spends
on unequal slopes is not left as noise:

    mean of ε_k + A_k·(√T_k − t)² ≤ ε,  t the mean slope, weighted by the energies A_k.

Let a share r of ε be spent on slopes, p the share of the energy in amplified modes, and 1 + x
their mean slope, δ = 1 − t. All others are lower by p(x + δ)/(1 − p) on average, so by Cauchy and
Schwarz A·(x + δ)²·p/(1 − p) ≤ r·ε, and what is lent is

    p·x ≤ √(r·ε/A)·√(p(1 − p)) − p·δ ≤ (√(r·ε/A + δ²) − δ)/2,

the most over p. The client chooses r; the bound is the largest majorant over all r, at the lower
slope and the noise (1 − r)·ε that is left. Shares between two points of a grid are covered by the
slope of the larger one and the noise of the smaller one, since the majorant falls with the slope
and grows with the noise.

With K inferences the server's residual holds for each of them, so A in the limit is that of one.
What is lent, times A, is jointly concave in A and r, so copies of unequal light lend no more than
copies of their mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.host.leakage.majorant import majorant_per_mode
from shotveil.models.common.checks import require

Real = NDArray[np.float64]

# Shares r of the noise, closer where nearly all of it is spent on slopes.
_SHARES = 1 - np.linspace(1, 0, 33) ** 2


def lent_slope(modulation: ArrayLike, transmittance: ArrayLike, residual: ArrayLike) -> Real:
    """Return the most slope that amplified modes can lend to others, in [0, 1].

    modulation: Mean of V_A over the modes in one inference, SNU, above 0.
    transmittance: T in [0, 1], as in `majorant_per_mode`.
    residual: Mean over the modes of what unequal slopes add to the server's residual, SNU.
    """
    missing = 1 - np.sqrt(np.asarray(transmittance, dtype=np.float64))
    spent = np.asarray(residual, dtype=np.float64) / np.asarray(modulation, dtype=np.float64)
    # (√(c + δ²) − δ)/2 without the subtraction.
    root = np.sqrt(spent + missing**2) + missing
    return np.asarray(np.divide(spent, 2 * root, out=np.zeros_like(root), where=root > 0))


def amplified_per_mode(
    modulation: ArrayLike, once: ArrayLike, transmittance: ArrayLike, excess_noise: ArrayLike
) -> Real:
    """Return an upper bound on the mean of χ over the modes of a row, in bits per complex mode.

    modulation: Mean of V_A ≥ 0 over the modes, SNU, summed over all inferences.
    once: Mean of V_A ≥ 0 of one inference; the least where they differ. 0 where nothing was sent.

    The others are those of `majorant_per_mode`, but modes may have any T_k. The arguments are
    broadcast. Raises `RangeError` for a value out of range.
    """
    require("modulation of one inference", once, at_least=0)
    require("transmittance", transmittance, at_least=0, at_most=1)
    require("excess_noise", excess_noise, at_least=0)
    a, one, t, e = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (modulation, once, transmittance, excess_noise))
    )
    spent = _SHARES.reshape(-1, *[1] * a.ndim)
    light = np.where(one > 0, one, np.inf)
    slopes = np.maximum(0.0, np.sqrt(t) - lent_slope(light, t, spent[1:] * e))
    return np.asarray(majorant_per_mode(a, slopes**2, (1 - spent[:-1]) * e).max(axis=0))[()]
