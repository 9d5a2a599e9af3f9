"""The server's modulator and receiver: they send rows and sum up the light that returns.

Most links hold rows, repeat them on command and return the sums. A link at symbol level takes the
light itself: the amplitudes of every slot are sent to it, and the sums are formed here from the
quadratures of every mode, as they would be behind a real detector. Such a link is not told which
slots are decoys.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.host.ledger.accounts import Reserve
from shotveil.host.parties.receipts import evidence, is_about
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import VERSION, ProtocolError, Refusal, invalid, pack, unpack
from shotveil.host.run.schedule import Part, row_blocks
from shotveil.host.verification.assumptions import Components, FineSums
from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import EncodedRows, Real
from shotveil.models.link.statistics import SymbolStatistics

NUMBERS_IN_MESSAGE = 1 << 19  # 4 MiB for each of x and p

Sums = tuple[SymbolStatistics, SymbolStatistics | None]
"""The sums over the weights' symbols together, and over the decoys' symbols for each mode."""


class ServerPort(Protocol):
    """The server's end of the optical link, in this process or another.

    `load` stores rows at the link, and `emit` sends stored rows and returns the sums. At symbol
    level, `send` sends the light itself and yields what the server measures. `drop` makes the link
    forget rows and a session. `claim` begins this server's hold of the link, and `begin` a session
    in it. `await_optics` waits until a client is ready for light, and `state` has the link say
    whether light ever left. All raise `ProtocolError` where the link refuses.
    """

    def load(self, emissions: Iterable[pb.Emission]) -> pb.Loaded: ...

    def emit(self, shot: pb.Shot) -> pb.Returned: ...

    def send(self, lights: Iterable[pb.Light]) -> Iterator[pb.Record]: ...

    def drop(self, dropped: pb.Dropped) -> pb.Loaded: ...

    def claim(self) -> pb.Loaded: ...

    def begin(self, announcement: pb.Announcement) -> pb.Loaded: ...

    def await_optics(self, light: pb.Light) -> pb.Loaded: ...

    def state(self, light: pb.Light) -> pb.Statement: ...


class Transmitter(Protocol):
    """Sends rows over a link and returns the sums of what comes back. Threads may share one.

    A call raises `ProtocolError` where the link refuses or its answer makes no sense.
    """

    def hold(self, key: str, rows: EncodedRows) -> None:
        """Keep `rows` ready under `key`."""

    def parts(self, rows: EncodedRows, decoys: int, images: int, checks: int) -> Iterator[Part]:
        """Cut a layer with `decoys` decoy rows into parts.

        Every slot is sent once for each image and each check. The parts hold the rows in order,
        and every row exactly once.
        """

    def send(self, shot: pb.Shot) -> Sums:
        """Send a part, wait for its light and return the sums over it."""

    def drop(self, dropped: pb.Dropped) -> None:
        """Forget a session and its rows, here and at the link."""

    @property
    def epoch(self) -> str:
        """The name of this server's hold of a link; "" where there is none."""

    def renew(self) -> None:
        """Hold the link again after it has forgotten the rows; they have to be held anew."""

    def begin(self, session: str, client: str) -> None:
        """Announce a session of a client. Raises `ProtocolError` NOT_FOUND if rows were lost."""

    def await_optics(self, session: str, batch: int, layer: int) -> None:
        """Return once the client is ready for the light of a layer, or raise `ProtocolError`."""

    def never_sent(self, reserve: Reserve) -> dict[str, Any] | None:
        """Return evidence that what was reserved never left and never will, if there is any."""


def transmitter_for(port: ServerPort, rng: np.random.Generator) -> Transmitter:
    """Clear a link of what another server left, and return the transmitter that fits the link.

    rng: Secret generator. Raises `ProtocolError` where the link does not answer.
    """
    held = port.claim()
    if held.symbol_level:
        return SymbolTransmitter(port, rng, held.epoch)
    return RepeatingTransmitter(port, held.epoch)


def blocks(rows: EncodedRows, images: int) -> Iterator[Part]:
    """Yield the parts for a link that takes any number of rows, with decoys among them."""
    return (Part(first, stop) for first, stop in row_blocks(rows.rows, images))


class LinkTransmitter:
    """What the transmitters for both kinds of links have in common: sessions and statements."""

    def __init__(self, port: ServerPort, epoch: str) -> None:
        self._port, self.epoch = port, epoch

    def renew(self) -> None:
        self.epoch = self._port.claim().epoch

    def begin(self, session: str, client: str) -> None:
        self._port.begin(
            pb.Announcement(version=VERSION, session=session, client=client, epoch=self.epoch)
        )

    def await_optics(self, session: str, batch: int, layer: int) -> None:
        self._port.await_optics(
            pb.Light(version=VERSION, session=session, batch=batch, layer=layer)
        )

    def never_sent(self, reserve: Reserve) -> dict[str, Any] | None:
        place = reserve.emission
        if not place.epoch:
            return None
        statement = self._port.state(
            pb.Light(
                version=VERSION,
                session=reserve.session,
                batch=place.batch,
                layer=reserve.layer,
                part=place.part,
                epoch=place.epoch,
            )
        )
        return evidence(statement) if is_about(statement, reserve) else None


class RepeatingTransmitter(LinkTransmitter):
    """The transmitter for a link that holds rows, repeats them on command and forms the sums."""

    def __init__(self, port: ServerPort, epoch: str = "") -> None:
        super().__init__(port, epoch)
        self._modes: dict[str, int] = {}

    def hold(self, key: str, rows: EncodedRows) -> None:
        self._modes[key] = rows.modes
        self._port.load(_emissions(key, rows))

    def parts(self, rows: EncodedRows, decoys: int, images: int, checks: int) -> Iterator[Part]:
        return blocks(rows, images)

    def send(self, shot: pb.Shot) -> Sums:
        returned = self._port.emit(shot)
        sums, modes = returned.weights, self._modes[shot.weights]
        try:
            weights = SymbolStatistics(sums.count, sums.qq, sums.qy, sums.yy)
            if not returned.decoy_count:
                return weights, None
            if returned.modes != modes:
                raise invalid(f"the link speaks of {returned.modes} modes; allowed: {modes}")
            return weights, SymbolStatistics(
                np.full(modes, returned.decoy_count, dtype=np.int64),
                unpack("decoys' sums", returned.decoy_qq, (modes,)),
                unpack("decoys' sums", returned.decoy_qy, (modes,)),
                unpack("decoys' sums", returned.decoy_yy, (modes,)),
            )
        except (RangeError, OverflowError) as error:
            raise invalid(f"the link's record is impossible: {error}") from None

    def drop(self, dropped: pb.Dropped) -> None:
        for key in dropped.keys:
            self._modes.pop(key, None)
        self._port.drop(dropped)


class SymbolTransmitter(LinkTransmitter):
    """The transmitter for a link at symbol level.

    rng: Secret generator. It draws which quadrature of a slot is measured.
    """

    squeezing = 0.0  # variance (SNU) of X in the light that is sent; 0 means coherent light
    count = False  # whether the server counts photons instead of measuring quadratures

    def __init__(self, port: ServerPort, rng: np.random.Generator, epoch: str = "") -> None:
        super().__init__(port, epoch)
        self._rng = rng
        self._guard = threading.Lock()
        self._held: dict[str, EncodedRows] = {}
        self._components: dict[str, Components] = {}

    def hold(self, key: str, rows: EncodedRows) -> None:
        with self._guard:
            self._held[key] = rows

    def components(self, key: str) -> Components:
        """Return the principal components of weights that are held."""
        with self._guard:
            if key not in self._components:
                self._components[key] = Components(self._held[key])
            return self._components[key]

    def parts(self, rows: EncodedRows, decoys: int, images: int, checks: int) -> Iterator[Part]:
        return blocks(rows, images)

    def send(self, shot: pb.Shot) -> Sums:
        with self._guard:
            weights, decoys = self._held[shot.weights], self._held.get(shot.decoys)
        slots = np.array(shot.slots, dtype=np.int64)
        is_decoy = slots < 0
        x, p = (np.empty((len(slots), weights.modes)) for _ in range(2))
        x[~is_decoy], p[~is_decoy] = weights.x[slots[~is_decoy]], weights.p[slots[~is_decoy]]
        if is_decoy.any():
            if decoys is None:
                raise ProtocolError(Refusal.FAILED_PRECONDITION, "the session has ended")
            drawn = -1 - slots[is_decoy]
            x[is_decoy], p[is_decoy] = decoys.x[drawn], decoys.p[drawn]
        step = max(1, NUMBERS_IN_MESSAGE // weights.modes)
        measure_p = self.local_oscillator((shot.images, len(slots)))
        blocks = [
            (repetition, slice(first, min(first + step, len(slots))))
            for repetition in range(shot.images)
            for first in range(0, len(slots), step)
        ]
        packed = {(b.start, b.stop): (pack(x[b]), pack(p[b])) for _, b in blocks}

        def lights() -> Iterator[pb.Light]:
            for repetition, block in blocks:
                of_x, of_p = packed[block.start, block.stop]
                yield pb.Light(
                    version=VERSION,
                    session=shot.session,
                    batch=shot.batch,
                    layer=shot.layer,
                    part=shot.part,
                    repetitions=shot.images,
                    slots=len(slots),
                    last=shot.last,
                    repetition=repetition,
                    first=block.start,
                    modes=weights.modes,
                    x=of_x,
                    p=of_p,
                    measure_p=measure_p[repetition, block].astype(np.uint8).tobytes(),
                    squeezing=self.squeezing,
                    count=self.count,
                )

        records = self._port.send(lights())
        pooled = np.zeros((2, 3))  # over the slots of weights, in X and in P
        often, summed = np.zeros((2, len(slots))), np.zeros((2, *x.shape))
        per_mode = np.zeros((3, weights.modes))
        for repetition, block in blocks:
            record = next(records, None)
            if record is None:
                raise invalid("the link returned less light than was sent")
            shape = block.stop - block.start, weights.modes
            y = unpack("returned light", record.values, shape)
            q = np.where(measure_p[repetition, block, None], p[block], x[block])
            y = self.received(shot, repetition, q, y)
            hidden = is_decoy[block]
            squares = q * q, q * y, y * y
            in_p = measure_p[repetition, block]
            for quadrature, chosen in enumerate((~in_p, in_p)):
                often[quadrature, block] += chosen
                summed[quadrature, block] += y * chosen[:, None]
                pooled[quadrature] += [np.sum(part[chosen & ~hidden]) for part in squares]
            per_mode += [np.sum(part[hidden], axis=0) for part in squares]
        # The stream is read to its end, so that the link knows that every record arrived.
        if next(records, None) is not None:
            raise invalid("the link returned more light than was sent")
        number = shot.images * int(np.sum(is_decoy))
        counted = np.full(weights.modes, number, dtype=np.int64)
        try:
            by_x, by_p = (
                SymbolStatistics(int(np.sum(each[~is_decoy])) * weights.modes, *sums)
                for each, sums in zip(often, pooled, strict=True)
            )
            groups = self.components(shot.weights).sums(
                slots[~is_decoy], often[:, ~is_decoy], summed[:, ~is_decoy]
            )
            sent = FineSums.of_both(by_x, by_p, groups)
            return sent, SymbolStatistics(counted, *per_mode) if number else None
        except RangeError as error:
            raise invalid(f"the link's record is impossible: {error}") from None

    def local_oscillator(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Draw whether P (true) or X is measured, shape (repetitions, slots).

        The choice is secret, so nobody can hide noise in the quadrature that is not measured.
        """
        with self._guard:
            return self._rng.random(shape) < 0.5

    def received(self, shot: pb.Shot, repetition: int, q: Real, y: Real) -> Real:
        """Return the readings that verification gets for amplitudes `q` sent and `y` received.

        An honest server returns `y` itself; test instruments override this method.
        """
        return y

    def drop(self, dropped: pb.Dropped) -> None:
        with self._guard:
            for key in dropped.keys:
                self._held.pop(key, None)
                self._components.pop(key, None)
        self._port.drop(dropped)


def _emissions(key: str, rows: EncodedRows) -> Iterator[pb.Emission]:
    step = max(1, NUMBERS_IN_MESSAGE // rows.modes)
    for first in range(0, rows.rows, step):
        yield pb.Emission(
            version=VERSION,
            key=key,
            scale=rows.scale,
            rows=rows.rows,
            modes=rows.modes,
            first=first,
            x=pack(rows.x[first : first + step]),
            p=pack(rows.p[first : first + step]),
        )
