"""Eigenbasis amplification: the client spends its allowed noise where the weights' energy is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import ComponentAdversary, Strength
from shotveil.models.adversaries.components import Play, allowed, bits_by_heterodyning, poured
from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Real
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class EigenbasisClient:
    """A client that reads the strongest `components` of the weights, instead of its product.

    All noise that the server allows in a row goes into them. Each quadrature of each mode may then
    look as declared, since components spread over all modes.
    """

    components: int

    def weights(self, modes: int) -> Real:
        """Energy in that many components alone, evenly. Raises `RangeError` for too few modes."""
        require("components", self.components, at_least=1, at_most=modes, integer=True)
        return np.where(np.arange(modes) < self.components, modes / self.components, 0.0)

    def play(self, link: Link, energies: Real) -> Play:
        transmittance, total, unit = allowed(link, len(energies))
        strongest = np.where(np.arange(len(energies)) < self.components, energies, 0.0)
        noise = poured(strongest, total)
        read = bits_by_heterodyning(energies * link.transmittance_out, noise)
        return Play(energies, np.full(len(energies), transmittance), noise, noise, read, unit)


EIGENBASIS = ComponentAdversary(
    name="eigenbasis-amplification",
    says="reads the strongest principal components of the weights, with all noise that is allowed",
    strength=Strength("number of components", usual=36, at_least=1, integer=True),
    covered_by="holevo",
    make=lambda components: EigenbasisClient(int(components)),
)
