"""Clients that are after the weights: they set their optics as an honest client would not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Complex
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class OverAmplifier:
    """Amplifies with `gain` where less is granted: reads better, and returns more noise."""

    gain: float

    def link(self, granted: Link) -> Link:
        """The link with this client's optics in it; raises `RangeError` unless gain > 1."""
        return replace(granted, gain=self.gain)


@dataclass(frozen=True)
class BasisQueries:
    """Asks for single weights: its direction is one mode, the same for all rows of a batch.

    mode: which, from 0. The mean excess noise is that of any honest client.
    """

    mode: int

    def directions(self, images: int, modes: int) -> Complex:
        """Unit vectors (images, modes); raises `RangeError` where there is no such mode."""
        require("mode", self.mode, at_least=0, at_most=modes - 1, integer=True)
        xi = np.zeros((images, modes), dtype=np.complex128)
        xi[:, self.mode] = 1
        return xi
