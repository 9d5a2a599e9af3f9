"""Noise that does not depend on the block size: random numbers drawn by a counter.

A simulation in blocks must get the same noise as a simulation in one piece. The noise is therefore
cut into pages of fixed size. Each page has its own generator, whose counter is the number of the
page (Philox: J. K. Salmon et al., SC'11, doi:10.1145/2063384.2063405).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shotveil.models.link.normals import fill_normals

PAGE = 1 << 14


class Normals:
    """An endless sequence of standard normals in float32, which can be taken in any block size."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._key = rng.integers(0, 1 << 63, 2, dtype=np.uint64)
        self._page = np.empty(PAGE, np.float32)
        self._next = 0  # number of the next page
        self._used = PAGE

    def take(self, count: int) -> NDArray[np.float32]:
        """The next `count` numbers, shape (count,)."""
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
        """The next `count` amplitudes (count,) of vacuum: variance 1 in each quadrature."""
        return self.take(2 * count).view(np.complex64)

    def _turn(self) -> None:
        counter = np.array([0, 0, self._next, 0], np.uint64)
        generator = np.random.Generator(np.random.Philox(key=self._key, counter=counter))
        fill_normals(generator, self._page)
        self._next += 1
        self._used = 0
