"""Noise that depends on where it is, not on how it is asked for: numbers drawn by counter.

A simulation that goes block by block must see the noise of one that goes in one piece. So noise is
cut into pages of fixed size, each with a generator of its own whose counter is the page's number
(Philox: J. K. Salmon et al., SC'11, doi:10.1145/2063384.2063405).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shotveil.models.link.normals import fill_normals

PAGE = 1 << 14


class Normals:
    """An endless sequence of standard normals, float32, taken in pieces of any size."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._key = rng.integers(0, 1 << 63, 2, dtype=np.uint64)
        self._page = np.empty(PAGE, np.float32)
        self._next = 0  # number of the page to come
        self._used = PAGE

    def take(self, count: int) -> NDArray[np.float32]:
        """The next `count` numbers."""
        out = np.empty(count, np.float32)
        filled = 0
        while filled < count:
            if self._used == PAGE:
                self._turn()
            some = min(PAGE - self._used, count - filled)
            out[filled : filled + some] = self._page[self._used : self._used + some]
            self._used += some
            filled += some
        return out

    def complex(self, count: int) -> NDArray[np.complex64]:
        """The next `count` amplitudes of variance 1 in either quadrature: vacuum."""
        return self.take(2 * count).view(np.complex64)

    def _turn(self) -> None:
        counter = np.array([0, 0, self._next, 0], np.uint64)
        generator = np.random.Generator(np.random.Philox(key=self._key, counter=counter))
        fill_normals(generator, self._page)
        self._next += 1
        self._used = 0
