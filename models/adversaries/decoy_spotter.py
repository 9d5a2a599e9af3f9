"""A client that reads every slot, spares those that look like decoys, and taps the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotveil.models.adversaries.adversary import SlotAdversary, Strength
from shotveil.models.adversaries.tap import Tap
from shotveil.models.link.encoding import Real


@dataclass(frozen=True)
class DecoySpotter:
    """A client that knows the weights' strongest component, and taps where weights seem to be.

    tap: What it does to the light of the slots that it does not spare.
    """

    tap: Tap

    def strongest(self, modes: int) -> float:
        # Half of the energy in one direction: decoys have the moments of the modes alone, so in
        # that direction they have no more than elsewhere.
        return max(1.0, modes / 2)

    def suspicion(self, readings: Real, of_decoys: float, of_weights: float) -> Real:
        # The likelihood ratio of two normal distributions grows or falls with the square.
        return readings**2 * (1.0 if of_decoys > of_weights else -1.0)

    def spared(self, suspicion: Real, decoys: int) -> NDArray[np.bool_]:
        slots = suspicion.shape[1]
        places = np.argsort(suspicion, axis=1)[:, slots - decoys :]
        found = np.zeros(suspicion.shape, dtype=bool)
        np.put_along_axis(found, places, True, axis=1)
        return found


DECOY_SPOTTER = SlotAdversary(
    name="decoy-spotter",
    says="spares the slots that look like decoys, and taps all others",
    strength=Strength("fraction of the light of a slot", usual=0.01, at_least=0, at_most=1),
    covered_by="holevo",
    make=lambda fraction: DecoySpotter(Tap(fraction)),
)
