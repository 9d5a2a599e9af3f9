"""The published figures' conventions, where they differ from the consistent ones used elsewhere.

Only for reproducing a published figure, and to be named "published convention" wherever shown.
The published data bounds are `data_bounds.crb_v1` and `data_bounds.crb_prx`.
Source: Sulimany et al., PRX 15, 041056 (2025); arXiv:2408.05629; the authors' figure code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.host.leakage.weights import holevo_per_mode
from shotveil.models.common.checks import require


def weight_leakage_v1(
    variance: ArrayLike, transmittance: ArrayLike, excess_noise: ArrayLike
) -> NDArray[np.float64]:
    """χ per complex mode, which arXiv v1 plots as the leakage per weight (twice the PRX value)."""
    return holevo_per_mode(variance, transmittance, excess_noise)


def weight_leakage_prx(
    variance: ArrayLike, transmittance: ArrayLike, excess_noise: ArrayLike
) -> NDArray[np.float64]:
    """χ/2 per real weight, which PRX plots; the same as `weights.weight_leakage`."""
    return holevo_per_mode(variance, transmittance, excess_noise) / 2


def accuracy_argument(photons: ArrayLike, noise_variance: ArrayLike) -> NDArray[np.float64]:
    """√(μ/D): where the figure code evaluates its accuracy curve, which was fitted over F².

    Consistently the argument is F² = 2μ/D, so the same light gives more accuracy than published.
    `photons`: μ ≥ 0 per mode; `noise_variance`: D > 0. Raises `RangeError` otherwise.
    """
    require("photons", photons, at_least=0)
    require("noise_variance", noise_variance, above=0)
    ratio = np.asarray(photons, dtype=np.float64) / np.asarray(noise_variance, dtype=np.float64)
    return np.sqrt(ratio)


def loss_transmittance(transmittance: ArrayLike) -> NDArray[np.float64]:
    """√η: what the loss figure passes as the power transmittance for a channel of power η.

    Raises `RangeError` unless η is in [0, 1].
    """
    require("transmittance", transmittance, at_least=0, at_most=1)
    return np.sqrt(np.asarray(transmittance, dtype=np.float64))
