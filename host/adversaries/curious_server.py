"""A server that tries to learn the data in real sessions, as a test instrument.

It sends and measures what a `CuriousServer` of `models.adversaries.servers` would, through a link
at symbol level. From the light that returns it estimates the intensity of each pair of pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shotveil.host.parties.transmitter import ServerPort, SymbolTransmitter
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import VERSION
from shotveil.models.adversaries.servers import CuriousServer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import Real
from shotveil.models.link.optics import Link

MOST_BATCHES = 64  # most batches whose estimates are kept


class CuriousTransmitter(SymbolTransmitter):
    """The transmitter of such a server.

    server: The attack. link: The declared link of the first layer. Raises `RangeError` for a link
    that is not at symbol level.
    """

    def __init__(
        self, port: ServerPort, rng: np.random.Generator, server: CuriousServer, link: Link
    ) -> None:
        super().__init__(port, rng)
        if not port.drop(pb.Dropped(version=VERSION, everything=True)).symbol_level:
            raise RangeError("the link hands out sums alone; allowed: shotveil link --symbol-level")
        self._server, self._link = server, link
        self.squeezing = server.variance if server.variance != 1 else 0.0
        self.count = server.counts
        # For each session and batch: the number of rows measured and the sum of their estimates.
        self._sums: dict[tuple[str, int], tuple[NDArray[np.int64], Real]] = {}

    def local_oscillator(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Choose the quadratures as usual, but always X with squeezed light."""
        if self.squeezing:
            return np.zeros(shape, dtype=bool)  # measure X, the squeezed quadrature
        return super().local_oscillator(shape)

    def received(self, shot: pb.Shot, repetition: int, q: Real, y: Real) -> Real:
        """Estimate the data from the light of the first layer; return what verification gets."""
        expected = float(self._link.server_detector.slope(self._link.declared_transmittance)) * q
        if shot.layer == 0:  # only the first layer meets the data themselves
            record = y if self.count else y - expected
            estimate = self._server.power(self._link, record)
            with self._guard:
                key = shot.session, shot.batch
                empty = np.zeros(shot.images, np.int64), np.zeros((shot.images, q.shape[1]))
                rows, total = self._sums.setdefault(key, empty)
                rows[repetition] += len(q)
                total[repetition] += len(q) * estimate
                while len(self._sums) > MOST_BATCHES:
                    del self._sums[next(iter(self._sums))]
        # Photon counts say nothing about quadratures, so a server that counts cannot verify.
        return expected if self.count else y

    def estimates(self, session: str, batch: int) -> Real:
        """Return the estimates of |ξ_k|² from a batch's first layer, shape (repetitions, N)."""
        with self._guard:
            rows, total = self._sums[session, batch]
            return total / rows[:, None]

    @property
    def images(self) -> int:
        """Number of repetitions with an estimate, in the batches that are kept."""
        return sum(len(rows) for rows, _ in self._sums.values())
