"""The Holevo bound on the server's weights, for an adversary with all light that does not return.

Every function takes numbers or arrays and broadcasts them; for numbers it returns a scalar.
Variances are in shot-noise units (vacuum = 1), results in bits.

The textbook form of the bound subtracts nearly equal numbers twice: in the symplectic eigenvalues,
which all lie close to 1 for weak light, and in the entropies. The form used here is
algebraically the same but adds only non-negative terms (derivation: docs/physics.md, "The bound in
a form that can be computed"), so neither clamping nor higher precision is needed, and the result
cannot be negative.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.models.common.checks import require

# The smallest divisor keeps 1/x finite where x underflows. It changes only terms below 1e-297 bits.
_TINY = 1e-300


def thermal_entropy(photons: ArrayLike) -> NDArray[np.float64]:
    """Return the entropy (n+1)·log2(n+1) − n·log2 n, in bits, of a thermal mode with n photons.

    It is computed as log(1+n) + n·log(1 + 1/n), a sum of non-negative terms, which is accurate to
    rounding from n = 0 (where it is 0) to n = 1e300. Raises `RangeError` unless n ≥ 0.
    """
    require("photons", photons, at_least=0)
    return _thermal_nats(np.asarray(photons, dtype=np.float64)) / np.log(2)


def entropy(variance: ArrayLike) -> NDArray[np.float64]:
    """Return h(v), the entropy in bits of a thermal mode whose quadratures have variance v.

    h(v) = ((v+1)/2)·log2((v+1)/2) − ((v−1)/2)·log2((v−1)/2), n = (v−1)/2 photons; h(1) = 0.
    Raises `RangeError` unless v ≥ 1 (no state has less in both quadratures).
    """
    require("variance", variance, at_least=1)
    return _thermal_nats((np.asarray(variance, dtype=np.float64) - 1) / 2) / np.log(2)


def holevo_per_mode(
    variance: ArrayLike, transmittance: ArrayLike, excess_noise: ArrayLike
) -> NDArray[np.float64]:
    """Return χ(V, T, ε), the Holevo bound on one inference in bits per complex mode.

    A complex mode carries two real weights.

    `variance`: V = V_A + 1 ≥ 1, quadrature variance of the modulated light, SNU.
    `transmittance`: T in [0, 1], power, of everything the server does not trust.
    `excess_noise`: ε ≥ 0, SNU, referred to the returned mode.

    χ = h(ν1) + h(ν2) − h(ν3), with ν1, ν2 the symplectic eigenvalues of
    [[V, c·Z], [c·Z, T(V−1)+1+ε]], c² = T(V²−1), and ν3 = 1 + ε.
    χ bounds what anyone who holds the rest of the light can learn by a collective attack that
    leaves V, T and ε as they are. It holds for any such attack if the weights are Gaussian, and for
    any Gaussian attack if the weights have any other distribution with this variance.
    Source: Sulimany et al., PRX 15, 041056 (2025); García-Patrón and Cerf, PRL 97, 190503 (2006).
    Raises `RangeError` outside the ranges above.
    """
    require("variance", variance, at_least=1)
    modulation = np.asarray(variance, dtype=np.float64) - 1
    return holevo_of_modulation(modulation, transmittance, excess_noise)


def weight_leakage(
    variance: ArrayLike, transmittance: ArrayLike, excess_noise: ArrayLike
) -> NDArray[np.float64]:
    """Return χ(V, T, ε)/2, the Holevo bound on one inference in bits per real weight.

    The arguments and errors are those of `holevo_per_mode`.
    """
    return holevo_per_mode(variance, transmittance, excess_noise) / 2


def weight_leakage_after(
    inferences: ArrayLike,
    modulation_variance: ArrayLike,
    transmittance: ArrayLike,
    excess_noise: ArrayLike,
) -> NDArray[np.float64]:
    """Return χ(1 + K·V_A, T, ε)/2, the Holevo bound on K inferences in bits per real weight.

    `inferences`: K ≥ 0, how often the same weights were sent to all clients that may collude.
    `modulation_variance`: V_A = V − 1 ≥ 0 of one inference, SNU.
    A passive transformation turns K equal copies into one copy of K times the variance and K − 1
    copies without weights, so this is the joint bound. It grows more slowly than K times the bound
    of one inference.
    Raises `RangeError` if K is negative or no integer, and otherwise as `holevo_per_mode`.
    """
    require("inferences", inferences, at_least=0, integer=True)
    require("modulation_variance", modulation_variance, at_least=0)
    modulation = np.multiply(inferences, modulation_variance, dtype=np.float64)
    return holevo_of_modulation(modulation, transmittance, excess_noise) / 2


def weight_leakage_limit(f2: ArrayLike, modes: ArrayLike) -> NDArray[np.float64]:
    """Return h(√(1 + 2F²/N)), the weight leakage for T = 1 and gain G → 1 at fixed F².

    It is in bits per real weight, and is the price of accuracy, because F² alone fixes accuracy: at
    T = 1, without technical noise and with an ideal client detector, the gain changes it little.
    For K inferences, pass K·F². It is a limit and not a lower bound: 10 to 20 % less leaks near
    G = 4/3 at useful F² (docs/physics.md).
    Raises `RangeError` unless F² ≥ 0 and N is an integer ≥ 1.
    """
    require("f2", f2, at_least=0)
    require("modes", modes, at_least=1, integer=True)
    x = 2 * np.asarray(f2, dtype=np.float64) / np.asarray(modes, dtype=np.float64)
    # ν − 1 = √(1+x) − 1 without the subtraction; n = (ν − 1)/2.
    return _thermal_nats(x / (np.sqrt(1 + x) + 1) / 2) / np.log(2)


def holevo_of_modulation(
    modulation: NDArray[np.float64], transmittance: ArrayLike, excess_noise: ArrayLike
) -> NDArray[np.float64]:
    """Return χ in bits per mode from V_A = V − 1, so that a small V_A keeps all its digits.

    The arguments are those of `holevo_per_mode`, with V_A ≥ 0 in place of V; so are the errors, but
    that V_A itself is not checked.
    """
    require("transmittance", transmittance, at_least=0, at_most=1)
    require("excess_noise", excess_noise, at_least=0)
    t = np.asarray(transmittance, dtype=np.float64)
    e = np.asarray(excess_noise, dtype=np.float64)
    lost = (1 - t) * modulation
    q = 4 + e + 2 * modulation * (1 + t)
    z = np.sqrt((2 + lost) ** 2 + e * q)  # ν1 + ν2; larger than 2 + lost and than 2 + ε
    rise = 2 * e * t * modulation * q / ((z + 2 + lost) * (z + 2 + e + modulation * (1 + 3 * t)))
    nu2_less_1 = ((lost * (4 + lost) + 2 * modulation * (1 + t) * e) / (z + 2 + e) + lost) / 2
    # ν1 = ν3 + rise, ν3 = 1 + ε.
    nats = _thermal_nats(nu2_less_1 / 2) + _thermal_rise_nats(e / 2, rise / 2)
    return np.asarray(nats / np.log(2))[()]


def _thermal_nats(n: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log1p(n) + n * np.log1p(1 / np.maximum(n, _TINY))


def _thermal_rise_nats(n: NDArray[np.float64], k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the thermal entropy (nats) at n + k photons minus that at n, without subtracting them.

    The relative error is about n·1e-16, which matters only for an excess noise above 1e6 SNU.
    """
    widths = (n + 1) * np.log1p(k / (n + 1)) - n * np.log1p(k / np.maximum(n, _TINY))
    return widths + k * np.log1p(1 / np.maximum(n + k, _TINY))
