"""Basis vectors: the client asks for single weights instead of products with its data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.adversaries.adversary import ClientAdversary, Strength
from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Complex
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class BasisQueries:
    """A client that asks for single weights: its direction is one mode, the same for all rows.

    mode: number of the mode, from 0. The mean excess noise is that of any honest client.
    """

    mode: int

    @property
    def bound(self) -> str:
        return "mode"

    def link(self, granted: Link) -> Link:
        """The link that the server allows, unchanged."""
        return granted

    def directions(self, images: int, modes: int) -> Complex:
        """Unit vectors (images, modes). Raises `RangeError` if there is no such mode."""
        require("mode", self.mode, at_least=0, at_most=modes - 1, integer=True)
        xi = np.zeros((images, modes), dtype=np.complex128)
        xi[:, self.mode] = 1
        return xi


BASIS_VECTOR = ClientAdversary(
    name="basis-vector",
    says="asks for the weights of one mode alone",
    strength=Strength("number of the mode, from 0", usual=0, at_least=0, integer=True),
    covered_by="holevo of that mode",
    make=lambda mode: BasisQueries(int(mode)),
)
