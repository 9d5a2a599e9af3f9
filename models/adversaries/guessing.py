"""Servers that count photons and guess which of the data that they know the client has.

Such a server displaces the returned light by what it sent and counts the photons that are left in
each mode. They tell a class of the data: an image's digit, or which neuron was active. Such servers
are played by `shotveil attack`; they do not act in real sessions.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import require
from shotveil.models.link.encoding import Complex, Real, directions
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist

KNOWN_IMAGES = 2000


class KnownData(NamedTuple):
    """Data that a server knows to be like the client's.

    directions: (n, N), unit vectors ξ. labels: (n,), what it wants to know of each.
    """

    directions: Complex
    labels: NDArray[np.integer]


class GuessingServer(Protocol):
    """A server that guesses labels of the client's data from photons that it counts."""

    def link(self, declared: Link) -> Link:
        """The link as this server really uses it, of which it declares only `declared`."""

    def data(self, modes: int, rng: np.random.Generator) -> KnownData:
        """Data of N `modes` of which the client's are one. Raises `RangeError` if it has none."""

    def aim(self, data: KnownData) -> Real:
        """Share (n,) of the photons of its rows that lies along the directions of the data.

        Rows of random weights have 1/N of their photons along any direction.
        """


@cache
def digits(modes: int) -> KnownData:
    """Directions and digits of MNIST's test images, as many as `KNOWN_IMAGES`.

    Raises `RangeError` unless the images have N `modes`.
    """
    pixels, labels = load_mnist(None, "test")
    xi, _ = directions(pixels[:KNOWN_IMAGES])
    require("modes", modes, at_least=xi.shape[1], at_most=xi.shape[1])
    return KnownData(xi, labels[:KNOWN_IMAGES])


def unaimed(data: KnownData) -> Real:
    """The share 1/N of photons that rows of random weights have along each direction, (n,)."""
    count, modes = data.directions.shape
    return np.full(count, 1 / modes)
