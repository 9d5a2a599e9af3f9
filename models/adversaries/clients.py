"""The interface of dishonest clients, which set their optics so as to learn more about weights."""

from __future__ import annotations

from typing import Protocol

from shotveil.models.link.encoding import Complex
from shotveil.models.link.optics import Link


class DishonestClient(Protocol):
    """A client with optics of its own choice.

    bound: the weights that the leakage bound refers to: "row" for all weights of a row alike,
        "mode" for the two weights of one mode.
    """

    @property
    def bound(self) -> str: ...

    def link(self, granted: Link) -> Link:
        """The `granted` link with this client's optics in it. Raises `RangeError` if impossible."""

    def directions(self, images: int, modes: int) -> Complex | None:
        """Unit vectors (images, modes) that it asks for; None means the honest ones of its data."""
