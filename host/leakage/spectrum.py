"""The most that leaks of weights of a known spectrum, to a client who knows it as well.

The *spectrum* of a layer is that of the second moments of its rows, as complex modes: how the
energy of the light divides among principal components. A client who knows them gains nothing by
any other basis (docs/physics.md, section 6). There it shares out the noise and the loss that the
server allows, so that the sum of χ is largest, as water is filled into vessels.

That is computed from above: with a price b of noise and c of lost slope,

    Σ χ(λ_k, ε_k, s_k) ≤ Σ max over ε, s of [χ(λ_k, ε, s) − b·ε − c·λ_k·s] + b·Σε_k + c·Σλ_k·s_k

holds at any prices (weak duality), and the least over both is taken. The inner search is over a
grid; `MARGIN` covers its steps, so the result is a number and no theorem.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from shotveil.host.leakage.weights import holevo_of_modulation
from shotveil.models.link.encoding import pair

Real = NDArray[np.float64]

MARGIN = 5e-3
"""The relative height added for the steps of the grid."""

_KINDS = 40  # components of nearly equal energy count as one kind
_FAINTEST = 1e-7  # energy of a component over the largest, below which it counts as dark


class Spectrum(NamedTuple):
    """Kinds of components of a layer; arrays (kinds,).

    energy: Energy of one component over the mean of all modes.
    share: Share of all modes, of sum 1. Dark ones are a kind too.
    """

    energy: Real
    share: Real


def component_energies(weights: ArrayLike) -> Real:
    """Return the energies of the principal components of (rows, columns) real weights, descending.

    The shape is (N,), one for each complex mode. Only their ratios mean anything.
    """
    x, p = pair(weights)
    modes = x + 1j * p
    gram = modes @ modes.conj().T if len(modes) < modes.shape[1] else modes.conj().T @ modes
    power = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0)
    return np.pad(power, (0, modes.shape[1] - len(power)))


def spectrum_of(weights: ArrayLike) -> Spectrum:
    """Return the spectrum of (rows, columns) real weights that are not all 0."""
    power = component_energies(weights)
    number = len(power)
    power = power[power > _FAINTEST * power.max()]
    power *= number / power.sum()
    edges = np.geomspace(power.min(), power.max() * (1 + 1e-9), _KINDS + 1)
    kind = np.clip(np.searchsorted(edges, power, side="right") - 1, 0, _KINDS - 1)
    members = np.bincount(kind, minlength=_KINDS)
    used = members > 0
    energy = np.bincount(kind, power, _KINDS)[used] / members[used]
    dark = number - len(power)
    return Spectrum(np.append(energy, 0.0), np.append(members[used], dark) / number)


def spectrum_leakage(
    spectrum: Spectrum, modulation: float, transmittance: float, excess_noise: float
) -> float:
    """Return the most that leaks of one row, as the mean over its modes, in bits per complex mode.

    modulation: Mean of V_A ≥ 0 over the modes, SNU; K times as much for K inferences.
    transmittance: T in [0, 1], the square of the energy-weighted mean amplitude transmittance.
    excess_noise: Mean of ε ≥ 0 over the modes, SNU.
    """
    lit = spectrum.energy > 0
    share, energy = spectrum.share[lit], spectrum.energy[lit] * modulation
    lost = (1 - transmittance) / (1 + np.sqrt(transmittance))
    if not modulation or (not lost and not excess_noise):
        return 0.0
    noise = np.zeros(1)
    if excess_noise:
        top = 1.5 * excess_noise / share.min()
        noise = np.append(0.0, np.geomspace(1e-3 * excess_noise, top, 60))
    loss = np.append(0.0, np.geomspace(min(1e-2 * lost, 1e-2), 1.0, 24)) if lost else np.zeros(1)
    bits = holevo_of_modulation(
        energy[:, None, None], (1 - loss) ** 2, noise[:, None] + 0 * energy[:, None, None]
    )
    slope = energy[:, None, None] * loss

    def bound(logs: Real) -> float:
        b, c = np.exp(np.clip(logs, -300, 300))
        most = (bits - b * noise[:, None] - c * slope).max(axis=(1, 2))
        return float(share @ most + b * excess_noise + c * modulation * lost)

    # Prices near those of an even split, from which the search starts.
    even = float(
        holevo_of_modulation(np.asarray(modulation, np.float64), transmittance, excess_noise)
    )
    start = np.log([max(even, 1e-300) / (excess_noise or 1), max(even, 1e-300) / modulation])
    least = np.inf
    for _ in range(3):
        found = minimize(bound, start, method="Nelder-Mead", options={"maxiter": 120})
        least, start = min(least, float(found.fun)), found.x
    return (1 + MARGIN) * least
