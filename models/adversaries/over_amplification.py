"""Over-amplification: the client reads better than it is granted, and returns more noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shotveil.models.adversaries.adversary import ClientAdversary, Strength
from shotveil.models.link.encoding import Complex
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class OverAmplifier:
    """Amplifies with `gain` where less is granted: reads better, and returns more noise."""

    gain: float

    @property
    def bound(self) -> str:
        return "row"

    def link(self, granted: Link) -> Link:
        """The link with this client's optics in it; raises `RangeError` unless gain > 1."""
        return replace(granted, gain=self.gain)

    def directions(self, images: int, modes: int) -> Complex | None:
        """Those of its data."""
        return None


OVER_AMPLIFICATION = ClientAdversary(
    name="over-amplification",
    says="amplifies more than it is granted, to read better",
    strength=Strength("gain", usual=1.5, in_loop=30.0, above=1),
    covered_by="holevo",
    make=OverAmplifier,
)
