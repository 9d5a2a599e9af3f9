"""Leakage of the client's data to the server, from the light that returns: four bounds.

Common to all four: the server sent M rows of coherent light in N complex modes while the client's
data, the unit vector x̂ of n = 2N real elements, stayed the same. Each row returns displaced by what
the server knows, with a thermal state of n̄ = g/2 photons in the direction ξ and vacuum in all
others. All loss is counted as the server's. Results are bits per data element (one real number).

g ≥ 0 is the excess noise quantum 2(G − 1)/G (SNU), rows M and modes N are integers ≥ 1; anything
else raises `RangeError`. Arguments broadcast; for numbers alone the result is a scalar.

Only `holevo` is a theorem. The others are Cramér–Rao style estimates: exact for a Gaussian prior of
variance 1/n per element and a Gaussian likelihood. None covers a server that sends squeezed light.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.models.common.checks import require


def crb_v1(g: ArrayLike, rows: ArrayLike, modes: ArrayLike) -> NDArray[np.float64]:
    """½·log2(1 + 2N·x²·I), I = 2g²x²/σ⁸, σ² = 1 + g·x², at x² = 1/N: as in arXiv v1.

    Takes the number of rows to be the number of elements, so `rows` does not enter; σ⁸ = (σ²)⁴ as
    printed there (a Gaussian variance has σ⁴; at N = 392 that changes the result by 0.2 %).
    Source: arXiv:2408.05629v1.
    """
    g, rows, modes = _checked(g, rows, modes)
    x2 = 1 / modes
    information = 2 * g**2 * x2 / (1 + g * x2) ** 4
    return _half_log2_1p(2 * modes * x2 * information + 0 * rows)


def crb_prx(g: ArrayLike, rows: ArrayLike, modes: ArrayLike) -> NDArray[np.float64]:
    """½·log2(1 + (M/N)·g²/(1+g)): the server homodynes both quadratures of every mode.

    Fisher information 2g²/(1+g) per row and tangent direction, M rows, prior variance 1/(2N).
    Generous to a homodyning server (nobody measures both quadratures without a penalty), but not a
    bound on one that counts photons: see `qcrb`.
    Source: Sulimany et al., PRX 15, 041056 (2025).
    """
    g, rows, modes = _checked(g, rows, modes)
    return _half_log2_1p(rows / modes * g**2 / (1 + g))


def qcrb(g: ArrayLike, rows: ArrayLike, modes: ArrayLike) -> NDArray[np.float64]:
    """½·log2(1 + 2g·M/n), n = 2N: any measurement on each row.

    Quantum Fisher information 4n̄ = 2g per row and tangent direction (docs/physics.md), M rows,
    prior variance 1/n. Displacing the light back to vacuum and counting photons attains it for the
    magnitudes |ξ_k|.
    """
    g, rows, modes = _checked(g, rows, modes)
    return _half_log2_1p(rows / modes * g)


def holevo(g: ArrayLike, rows: ArrayLike, modes: ArrayLike) -> NDArray[np.float64]:
    """(M/n)·[N·t(n̄/N) − t(n̄)], t(n̄) = h(1 + 2n̄), n̄ = g/2, n = 2N: any collective measurement.

    A theorem for coherent probes: holds for any prior and any number of rows. Loose for many rows,
    as it lets each tell as much as the first.
    Computed as N·ln(1 + n̄/N) − ln(1 + n̄) + n̄·ln(1 + (N−1)/(n̄+1)), where nothing large cancels.
    """
    g, rows, modes = _checked(g, rows, modes)
    n = g / 2
    nats = modes * np.log1p(n / modes) - np.log1p(n) + n * np.log1p((modes - 1) / (n + 1))
    return rows / (2 * modes) * nats / np.log(2)


def data_leakage(g: ArrayLike, rows: ArrayLike, modes: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """All four bounds by name, `crb_v1`, `crb_prx`, `qcrb`, `holevo`, in bits per data element."""
    return {bound.__name__: bound(g, rows, modes) for bound in (crb_v1, crb_prx, qcrb, holevo)}


def _checked(
    g: ArrayLike, rows: ArrayLike, modes: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    require("excess noise quantum g", g, at_least=0)
    require("rows", rows, at_least=1, integer=True)
    require("modes", modes, at_least=1, integer=True)
    g, rows, modes = (np.asarray(value, dtype=np.float64) for value in (g, rows, modes))
    return g, rows, modes


def _half_log2_1p(y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log1p(y) / (2 * np.log(2))
