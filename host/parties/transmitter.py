"""The server's modulator and receiver: they send rows and sum up the light that returns.

Most links hold rows, repeat them on command and return the sums. A link at symbol level takes the
light itself: the amplitudes of every slot are sent to it, and the sums are formed here from the
quadratures of every mode, as they would be behind a real detector. Such a link is not told which
slots are decoys.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shotveil.host.ledger.accounts import Reserve
from shotveil.host.parties.receipts import evidence, is_about
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import MOST_BYTES, VERSION, check_range, invalid, pack, unpack
from shotveil.host.run.schedule import Part, row_blocks
from shotveil.host.verification.assumptions import Components, FineSums
from shotveil.models.common.checks import RangeError
from shotveil.models.link.decoys import decoy_rows
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

    mixes: Whether slots may carry mixtures of rows and decoys (`host.protocol.order`).

    A call raises `ProtocolError` where the link refuses or its answer makes no sense.
    """

    mixes: bool

    def hold(self, key: str, rows: EncodedRows) -> None:
        """Keep `rows` ready under `key`."""

    def parts(self, rows: EncodedRows, decoys: int, images: int, checks: int) -> Iterator[Part]:
        """Cut a layer with `decoys` decoy rows into parts.

        Every slot is sent once for each image and each check. The parts hold the rows in order,
        and every row exactly once.
        """

    def expect(
        self, request: pb.LayerRequest, key: str, plan: Sequence[Part], decoys: EncodedRows
    ) -> None:
        """Get ready to send a layer whose parts cannot be cut, with the decoys of all its parts."""

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


def decoys_of(shot: pb.Shot, rows: EncodedRows) -> tuple[Real, Real]:
    """Return the amplitudes x and p of the decoys in a shot, (decoys, modes) each.

    They are in it, or are drawn as its seed says.
    """
    if shot.decoys:
        check_range("decoys × modes", shot.decoys * rows.modes, 1, MOST_BYTES // 8)
        seed = np.random.default_rng(np.frombuffer(shot.decoy_seed, np.uint8))
        drawn = decoy_rows(rows, shot.decoys, seed)
        return drawn.x, drawn.p
    shape = len(shot.decoy_x) // (8 * rows.modes), rows.modes
    return unpack("decoys", shot.decoy_x, shape), unpack("decoys", shot.decoy_p, shape)


def blocks(rows: EncodedRows, images: int) -> Iterator[Part]:
    """Yield the parts for a link that takes any number of rows, with decoys among them."""
    return (Part(first, stop) for first, stop in row_blocks(rows.rows, images))


class LinkTransmitter:
    """What the transmitters for both kinds of links have in common: sessions and statements."""

    def __init__(self, port: ServerPort, epoch: str) -> None:
        self._port, self.epoch = port, epoch

    def renew(self) -> None:
        self.epoch = self._port.claim().epoch

    def expect(
        self, request: pb.LayerRequest, key: str, plan: Sequence[Part], decoys: EncodedRows
    ) -> None:
        return  # what a link holds is sent by name, and decoys come with each part

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

    mixes = True

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

    rng: Secret generator. It draws which quadrature of a repetition is measured.
    """

    squeezing = 0.0  # variance (SNU) of X in the light that is sent; 0 means coherent light
    count = False  # whether the server counts photons instead of measuring quadratures
    mixes = True

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
            weights = self._held[shot.weights]
        order = Order.from_bytes(shot.order, shot.images, shot.mixed)
        listed = order.listed
        # Negative numbers count from the end: decoy d lies at −1 − d.
        x, p = (
            np.concatenate([own, decoys[::-1]])[listed]
            for own, decoys in zip((weights.x, weights.p), decoys_of(shot, weights), strict=True)
        )
        number = len(listed)
        step = max(1, NUMBERS_IN_MESSAGE // weights.modes)
        # Slots that are mixed have to be measured alike, so that the mixing can be undone.
        measure_p = self.local_oscillator((shot.images, 1))[:, 0]
        blocks = [slice(first, min(first + step, number)) for first in range(0, number, step)]

        def lights() -> Iterator[pb.Light]:
            for repetition in range(shot.images):
                sent_x, sent_p = (order.played_rows(repetition, part) for part in (x, p))
                for block in blocks:
                    size = block.stop - block.start
                    yield pb.Light(
                        version=VERSION,
                        session=shot.session,
                        batch=shot.batch,
                        layer=shot.layer,
                        part=shot.part,
                        repetitions=shot.images,
                        slots=number,
                        last=shot.last,
                        repetition=repetition,
                        first=block.start,
                        modes=weights.modes,
                        x=pack(sent_x[block]),
                        p=pack(sent_p[block]),
                        measure_p=bytes([int(measure_p[repetition])]) * size,
                        squeezing=self.squeezing,
                        count=self.count,
                    )

        records = self._port.send(lights())
        # In X and in P: how often it was measured, and the sums over the slots of weights.
        often, pooled = np.zeros(2, dtype=np.int64), np.zeros((2, 3))
        summed, per_mode = np.zeros((2, *x.shape)), np.zeros((3, weights.modes))
        hidden = listed < 0
        for repetition in range(shot.images):
            q = p if measure_p[repetition] else x
            sent, got = order.played_rows(repetition, q), np.empty_like(q)
            for block in blocks:
                record = next(records, None)
                if record is None:
                    raise invalid("the link returned less light than was sent")
                shape = block.stop - block.start, weights.modes
                y = unpack("returned light", record.values, shape)
                got[block] = self.received(shot, repetition, sent[block], y)
            y = order.named_rows(repetition, got)
            squares = q * q, q * y, y * y
            quadrature = int(measure_p[repetition])
            often[quadrature] += 1
            summed[quadrature] += y
            pooled[quadrature] += [np.sum(part[~hidden]) for part in squares]
            per_mode += [np.sum(part[hidden], axis=0) for part in squares]
        # The stream is read to its end, so that the link knows that every record arrived.
        if next(records, None) is not None:
            raise invalid("the link returned more light than was sent")
        decoys, rows = (int(np.sum(which)) for which in (hidden, ~hidden))
        counted = np.full(weights.modes, shot.images * decoys, dtype=np.int64)
        try:
            by_x, by_p = (
                SymbolStatistics(int(number) * rows * weights.modes, *sums)
                for number, sums in zip(often, pooled, strict=True)
            )
            groups = self.components(shot.weights).sums(
                listed[~hidden], np.repeat(often[:, None], rows, axis=1), summed[:, ~hidden]
            )
            total = FineSums.of_both(by_x, by_p, groups)
            return total, SymbolStatistics(counted, *per_mode) if decoys else None
        except RangeError as error:
            raise invalid(f"the link's record is impossible: {error}") from None

    def local_oscillator(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Draw whether P (true) or X is measured, as an array of `shape`.

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
