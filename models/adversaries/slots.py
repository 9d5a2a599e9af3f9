"""Clients that treat slots in their own ways, by what they read of them.

The server learns what happened to the light of decoys and of weights. A client that could tell
their slots apart would show it one channel and use another. Such clients are played by `shotveil
attack`; they do not act in real sessions.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.models.adversaries.channels import Fibre
from shotveil.models.link.encoding import Real


class SlotClient(Protocol):
    """A client that takes light from some slots and spares others."""

    @property
    def tap(self) -> Fibre:
        """What it does to the light of a slot that it does not spare."""

    def strongest(self, modes: int) -> float:
        """Energy of the strongest component of weights that suit it best, where the mean is 1."""

    def suspicion(self, readings: Real, of_decoys: float, of_weights: float) -> Real:
        """How much each slot looks like a decoy's, of the shape of `readings`.

        readings: (repetitions, slots), along the strongest component. of_decoys, of_weights: Mean
        squares of such readings, which it knows.
        """

    def spared(self, suspicion: Real, decoys: int) -> NDArray[np.bool_]:
        """Which slots it spares, (repetitions, slots), if it knows how many hold `decoys`."""
