"""An amplified component: slope gained on strong weights pays for light taken from weak ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import ComponentAdversary, Strength
from shotveil.models.adversaries.components import Play, allowed
from shotveil.models.link.encoding import Real
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class AmplifyingClient:
    """A client that returns the strongest component amplified and keeps light of all others.

    The slope that the server fits is weighted by energy, so it stays as declared. An amplified
    component has at least the noise 2(T − 1), and the server's residual holds the spread of slopes:
    the client goes as far as both fit into the noise that is allowed. `holevo` supposes that no
    mode returns amplified.

    share: share of the weights' energy in the strongest component, of weights that suit it.
    """

    share: float

    def weights(self, modes: int) -> Real:
        rest = max(modes - 1, 1)
        energies = np.full(modes, modes * (1 - self.share) / rest)
        energies[0] = modes * self.share
        return energies

    def play(self, link: Link, energies: Real) -> Play:
        t, total, unit = allowed(link, len(energies))
        strong, weak = float(energies[0]), float(energies[1:].sum())
        most = weak / strong if strong else 0.0  # all light of the others is taken
        low, high = 0.0, most

        def spent(rise: float) -> tuple[float, float]:
            """Noise of the amplifier, and what the spread of slopes adds, at √T of 1 + `rise`."""
            added = max(0.0, 2 * (t * (1 + rise) ** 2 - 1))
            fall = rise * strong / weak if weak else 0.0
            return added, t * (rise**2 * strong + fall**2 * weak)

        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if sum(spent(middle)) <= total else (low, middle)
        added, _ = spent(low)
        amplitude = np.full(len(energies), 1 - low * strong / weak if weak else 1.0)
        amplitude[0] = 1 + low
        noise = np.zeros(len(energies))
        noise[0] = added
        transmittance = t * amplitude**2
        # It measures both quadratures of the light that it keeps of the others.
        kept = np.maximum(0.0, 1 - transmittance[1:]) * energies[1:]
        read = float(np.sum(np.log2(1 + kept / 2)))
        return Play(energies, transmittance, noise, noise, read, unit)


AMPLIFIED_COMPONENT = ComponentAdversary(
    name="amplified-component",
    says="returns the strongest component of the weights amplified and keeps light of all others",
    strength=Strength(
        "share of the weights' energy in that component", usual=0.5, above=0, at_most=0.99
    ),
    covered_by="holevo",
    make=AmplifyingClient,
)
