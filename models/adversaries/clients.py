"""What a client that is after the weights does: it sets its optics as an honest one would not."""

from __future__ import annotations

from typing import Protocol

from shotveil.models.link.encoding import Complex
from shotveil.models.link.optics import Link


class DishonestClient(Protocol):
    """A client with optics of its own choice.

    bound: what it reads is measured against: "row", all weights of a row alike; "mode", the two
    weights of one mode alone.
    """

    @property
    def bound(self) -> str: ...

    def link(self, granted: Link) -> Link:
        """The link with this client's optics in it; raises `RangeError`."""

    def directions(self, images: int, modes: int) -> Complex | None:
        """Unit vectors (images, modes) that it asks for; None: those of its data, as is honest."""
