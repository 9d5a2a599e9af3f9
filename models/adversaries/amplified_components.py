"""Amplified components: slope gained on strong weights pays for light taken from weak ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import ComponentAdversary, Strength
from shotveil.models.adversaries.components import Play, allowed
from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Real
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class AmplifyingClient:
    """A client that returns the strongest `components` amplified and keeps light of all others.

    The slope that the server fits is weighted by energy, so it stays as declared. An amplified
    component has at least the noise 2(T − 1), and the server's residual holds the spread of slopes:
    the client goes as far as both fit into the noise that is allowed. `holevo` supposes that no
    mode returns amplified.
    """

    components: int

    def weights(self, modes: int) -> Real:
        """Half of the energy in that many components. Raises `RangeError` for too few modes."""
        require("components", self.components, at_least=1, at_most=modes - 1, integer=True)
        strong = np.arange(modes) < self.components
        return np.where(strong, 0.5 / self.components, 0.5 / (modes - self.components)) * modes

    def play(self, link: Link, energies: Real) -> Play:
        t, total, unit = allowed(link, len(energies))
        strong = np.arange(len(energies)) < self.components
        amplified, others = float(energies[strong].sum()), float(energies[~strong].sum())
        # By so much the others' slope falls, relatively, for each rise of the amplified ones.
        fall = amplified / others if others else 0.0
        low, high = 0.0, 1 / fall if fall else 0.0

        def noise(rise: float) -> float:
            """Noise of each amplifier."""
            return max(0.0, 2 * (t * (1 + rise) ** 2 - 1))

        for _ in range(100):
            rise = (low + high) / 2
            spread = t * rise**2 * (amplified + fall**2 * others)
            fits = self.components * noise(rise) + spread <= total
            low, high = (rise, high) if fits else (low, rise)
        transmittance = t * np.where(strong, 1 + low, 1 - low * fall) ** 2
        added = np.where(strong, noise(low), 0.0)
        # It measures both quadratures of the light that it keeps of the others.
        kept = np.maximum(0.0, 1 - transmittance[~strong]) * energies[~strong]
        read = float(np.sum(np.log2(1 + kept / 2)))
        return Play(energies, transmittance, added, added, read, unit)


AMPLIFIED_COMPONENTS = ComponentAdversary(
    name="amplified-components",
    says="returns the strongest components of the weights amplified and keeps light of all others",
    strength=Strength("number of components", usual=1, at_least=1, integer=True),
    covered_by="holevo_amplified",
    make=lambda components: AmplifyingClient(int(components)),
)
