"""The conventions of the published figures, where they differ from the consistent ones used here.

They serve only to reproduce a published figure, and must be called "published convention" wherever
they are shown. The published data bounds are `data_bounds.crb_v1` and `data_bounds.crb_prx`.
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
    """Return χ per complex mode, which arXiv v1 plots as leakage per weight (twice the PRX value).

    The arguments and errors are those of `weights.holevo_per_mode`.
    """
    return holevo_per_mode(variance, transmittance, excess_noise)


def weight_leakage_prx(
    variance: ArrayLike, transmittance: ArrayLike, excess_noise: ArrayLike
) -> NDArray[np.float64]:
    """Return χ/2 per real weight, which PRX plots; the same as `weights.weight_leakage`."""
    return holevo_per_mode(variance, transmittance, excess_noise) / 2


def accuracy_argument(photons: ArrayLike, noise_variance: ArrayLike) -> NDArray[np.float64]:
    """Return √(μ/D), where the figure code evaluates its accuracy curve.

    That curve was fitted over F². The consistent argument is F² = 2μ/D, so the same light gives
    more accuracy than published.
    `photons`: μ ≥ 0 per mode; `noise_variance`: D > 0. Raises `RangeError` otherwise.
    """
    require("photons", photons, at_least=0)
    require("noise_variance", noise_variance, above=0)
    ratio = np.asarray(photons, dtype=np.float64) / np.asarray(noise_variance, dtype=np.float64)
    return np.sqrt(ratio)


def loss_transmittance(transmittance: ArrayLike) -> NDArray[np.float64]:
    """Return √η, which the loss figure uses as power transmittance of a channel that has η.

    Raises `RangeError` unless η is in [0, 1].
    """
    require("transmittance", transmittance, at_least=0, at_most=1)
    return np.sqrt(np.asarray(transmittance, dtype=np.float64))
