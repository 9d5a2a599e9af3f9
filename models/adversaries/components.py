"""Clients that treat the principal components of a row's weights each in their own way.

A client who knows the second moments of the weights can measure and disturb each component as it
likes. The server's sums only show the means over a row. Such clients are played by `shotveil
attack`, component by component; they do not act in real sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from shotveil.models.common.checks import require
from shotveil.models.link.amplifier import inference_noise
from shotveil.models.link.encoding import Real
from shotveil.models.link.optics import Link

MOST_NOISE = 1.9  # SNU in one mode, of an amplifier that still reads; a gain above 20 adds nothing


@dataclass(frozen=True, eq=False)
class Play:
    """What a client does to the N principal components of a row, and what it reads of them.

    energies: (N,), modulation variance (SNU per quadrature) of the weights in each component.
    transmittance: (N,), power transmittance T of each; above 1 it returns amplified.
    noise_x, noise_p: (N,), excess noise (SNU) in X and in P of each as it returns.
    read_bits: bits per row that the client's own measurements tell of the weights.
    unit: the server's shot-noise unit in terms of the calibrated one.
    """

    energies: Real
    transmittance: Real
    noise_x: Real
    noise_p: Real
    read_bits: float
    unit: float = 1.0


class ComponentClient(Protocol):
    """A client that chooses its optics for each principal component."""

    def weights(self, modes: int) -> Real:
        """Energies (N,) of the components of weights that suit it best, with mean 1.

        Raises `RangeError` if no weights of that many modes suit it.
        """

    def play(self, link: Link, energies: Real) -> Play:
        """What it does within what the declared `link` allows, given the components' energies.

        energies: (N,), in SNU per quadrature, descending.
        """


class Allowed(NamedTuple):
    """What the server's means over a row allow a client.

    transmittance: power transmittance.
    noise: excess noise of all modes of a row together (SNU).
    unit: the shot-noise unit that hides the most of it, in terms of the calibrated one.
    """

    transmittance: float
    noise: float
    unit: float


def allowed(link: Link, modes: int, drift: float | None = None) -> Allowed:
    """What the declared `link` allows a client at a `drift` of the unit, by default the declared κ.

    The server accepts records of up to (1 + κ)(vacuum + ε), which stand for 1/(1 − drift) of what
    they show, and slopes from √(1 − κ) of an honest one on. The declared channel has its worst T
    and its worst ε at opposite drifts; here both belong to one.
    """
    receiver = link.server_detector
    kappa = receiver.shot_noise_drift
    drift = kappa if drift is None else drift
    vacuum = (1 + receiver.electronic_noise) / receiver.efficiency
    shown = (vacuum + link.declared_excess_noise(modes)) * (1 - kappa)
    t = link.declared_transmittance_at(modes) * (1 + kappa) / (1 - min(drift, kappa))
    return Allowed(t, modes * max(0.0, shown / (1 - drift) - vacuum), 1 - drift)


def poured(energies: Real, total: float) -> Real:
    """Split a `total` of noise over components, (N,), as tells the most about weak weights.

    A reading that costs the noise ε has a signal-to-noise ratio of about λε/4, both quadratures
    measured. Σ log(1 + λ_k·ε_k/4) is largest for ε_k = max(0, θ − 4/λ_k), with the level θ that
    spends the total (water filling). Components without energy get none.
    """
    require("noise", total, at_least=0)
    share = np.zeros(len(energies))
    order = np.argsort(energies)[::-1]
    bright = order[energies[order] > 0]
    floors = 4 / energies[bright]
    for used in range(len(bright), 0, -1):
        level = (total + floors[:used].sum()) / used
        if level >= floors[used - 1]:
            share[bright[:used]] = level - floors[:used]
            break
    return share


def bits_by_heterodyning(energies: Real, noise: Real) -> float:
    """Bits of a row that a client reads who amplifies each component and measures both quadratures.

    The gain in each component is that which adds its `noise` (N,), g = 2(G − 1)/G.
    """
    some = noise > 0
    gain = 2 / (2 - np.minimum(noise[some], MOST_NOISE))
    return float(np.sum(np.log2(1 + energies[some] / inference_noise(gain, efficiency=0.5))))
