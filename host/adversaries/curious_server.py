"""A model owner after the data, in real sessions: a test instrument.

It sends and measures what a `CuriousServer` of `models.adversaries.servers` would, through a link
at symbol level, and estimates from the light that returns how strong each pair of pixels is.
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

MOST_BATCHES = 64  # whose estimates are kept


class CuriousTransmitter(SymbolTransmitter):
    """link: as declared. Raises `RangeError` for a link that is not at symbol level."""

    def __init__(
        self, port: ServerPort, rng: np.random.Generator, server: CuriousServer, link: Link
    ) -> None:
        super().__init__(port, rng)
        if not port.drop(pb.Dropped(version=VERSION, everything=True)).symbol_level:
            raise RangeError("the link hands out sums alone; allowed: shotveil link --symbol-level")
        self._server, self._link = server, link
        self.squeezing = server.variance if server.variance != 1 else 0.0
        self.count = server.counts
        # Per session and batch: rows seen, and their estimates added up.
        self._sums: dict[tuple[str, int], tuple[NDArray[np.int64], Real]] = {}

    def local_oscillator(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        if self.squeezing:
            return np.zeros(shape, dtype=bool)  # X is what is squeezed
        return super().local_oscillator(shape)

    def received(self, shot: pb.Shot, repetition: int, q: Real, y: Real) -> Real:
        expected = float(self._link.server_detector.slope(self._link.declared_transmittance)) * q
        if shot.layer == 0:  # where the data themselves are asked for
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
        # Photons tell nothing of quadratures: whoever counts them does not verify.
        return expected if self.count else y

    def estimates(self, session: str, batch: int) -> Real:
        """|ξ_k|² (repetitions, N) of a batch's first layer, as far as the light told."""
        with self._guard:
            rows, total = self._sums[session, batch]
            return total / rows[:, None]

    @property
    def images(self) -> int:
        """Repetitions whose light was looked into, of the batches that are kept."""
        return sum(len(rows) for rows, _ in self._sums.values())
