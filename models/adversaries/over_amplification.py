"""Over-amplification: the client reads better than it is allowed to, and returns more noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shotveil.models.adversaries.adversary import ClientAdversary, Strength
from shotveil.models.link.amplifier import LARGEST_GAIN
from shotveil.models.link.encoding import Complex
from shotveil.models.link.optics import Link


@dataclass(frozen=True)
class OverAmplifier:
    """A client that amplifies with a `gain` above the one that the server allows."""

    gain: float

    @property
    def bound(self) -> str:
        return "row"

    def link(self, granted: Link) -> Link:
        """The link with this client's gain in it. Raises `RangeError` unless it is above 1."""
        return replace(granted, gain=self.gain)

    def directions(self, images: int, modes: int) -> Complex | None:
        """None: the client asks for the honest directions of its data."""
        return None


OVER_AMPLIFICATION = ClientAdversary(
    name="over-amplification",
    says="amplifies more than it is granted, to read better",
    strength=Strength("gain", usual=1.5, in_loop=30.0, above=1, at_most=LARGEST_GAIN),
    covered_by="holevo",
    make=OverAmplifier,
)
