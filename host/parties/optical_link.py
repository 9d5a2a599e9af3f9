"""The optical link as a process of its own: a physical simulation with two ends.

The process stands for the fibre and for the optics at both ends: the server's modulator and
receiver, and the client's interferometer, amplifier and detector. It is the only place where light
and data meet. It gives each side what that side's own detector would show: the client gets its
homodyne values, the server the result of measuring the light that returned. Usually, to be fast,
the link holds rows that the server loaded once, repeats them on command and returns sums to the
server. At symbol level it holds no rows: the server sends all amplitudes of all rows, and gets back
every quadrature that it measured.

Whoever runs this process sees weights and data: a simulation cannot hide them from its machine.

One server at a time holds a link. Its hold, an *epoch*, begins with `claim`, which forgets all rows
and sessions of the one before. What a server asks under an old epoch is refused as not found, and
it then claims the link again and loads its rows anew.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shotveil.host.parties.link_sessions import LinkSessions
from shotveil.host.parties.transmitter import decoys_of
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import (
    MOST_BYTES,
    MOST_IMAGES,
    MOST_MAGNITUDE,
    MOST_MODES,
    MOST_REASON,
    MOST_ROWS,
    ProtocolError,
    Refusal,
    check_name,
    check_range,
    check_version,
    invalid,
    pack,
    unpack,
)
from shotveil.host.run.schedule import block_of, generator
from shotveil.host.verification.probe_check import check_mask, interleave
from shotveil.models.adversaries.interference import Interference
from shotveil.models.adversaries.servers import counted
from shotveil.models.adversaries.squeezing_server import MOST_SQUEEZING, Squeezer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.amplifier import LARGEST_GAIN
from shotveil.models.link.channel import Channel
from shotveil.models.link.encoding import Complex, EncodedRows, Real
from shotveil.models.link.optics import Link
from shotveil.models.link.per_mode import read_per_mode
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.link.sufficient import Overlaps, read_sufficient
from shotveil.models.link.symbols import homodyne, pass_through, vacuum

MOST_HELD = 1 << 27  # most numbers in all rows that are held together: 1 GiB
MOST_WAITING = 256  # most batches whose light is on its way
MOST_OF_CLIENT = 8  # most of them of one client
MOST_READINGS = MOST_BYTES // 8  # most readings of the client in one part
LATER_SESSIONS = 1 << 24  # larger than any layer number, so that no two random streams coincide

Key = tuple[str, int, int]  # session, batch, layer

_SHUT_DOWN = Refusal.UNAVAILABLE, "the link shut down"


@dataclass(eq=False)
class _Exchange:
    """One layer of one batch: the client's settings, and what its detector has read so far.

    xi: The data directions, shape (images, N).
    check: The direction of all checks, shape (N,).
    places: The repetitions that are checks in a part that begins with each slot, (slots, checks).
    """

    xi: Complex
    check: Complex
    places: NDArray[np.int64]
    gain: float
    seeds: np.random.SeedSequence
    client: str | None
    # Each item is a reading, None after the last one, or the error that ended the exchange.
    readings: queue.SimpleQueue[pb.Reading | ProtocolError | None] = field(
        default_factory=queue.SimpleQueue
    )
    next_part: int = 0
    next_slot: int = 0
    since: float = field(default_factory=time.monotonic)

    @property
    def checks(self) -> int:
        return self.places.shape[1]

    @property
    def directions(self) -> Complex:
        """The directions of the images, with that of the checks behind them if there are any."""
        return np.concatenate([self.xi, self.check[None]]) if self.checks else self.xi

    @property
    def repetitions(self) -> int:
        """Number of times that a part is sent: once for each image and each check."""
        return len(self.xi) + self.checks

    def mask(self, first_slot: int) -> NDArray[np.bool_]:
        """Return which repetitions of a part that begins with `first_slot` are checks."""
        places = self.places[first_slot] if self.checks else np.zeros(0, np.int64)
        return check_mask(places, self.repetitions)


class _Part:
    """One part of a layer on its way: the direction of each repetition, and what was read."""

    def __init__(self, exchange: _Exchange, light: pb.Light, first_slot: int) -> None:
        self.exchange, self.slots = exchange, light.slots
        self._header = _header(light)
        self.rng = generator(exchange.seeds, light.layer, light.part, 3)
        self.values = np.empty((light.repetitions, light.slots))
        images = len(exchange.xi)
        numbers = np.minimum(np.arange(images + exchange.checks), images)
        self._meets = interleave(numbers, exchange.mask(first_slot))
        self._directions = np.concatenate([exchange.xi, exchange.check[None]])
        self._next = 0

    @property
    def done(self) -> bool:
        return self._next == self.values.size

    def require_next(self, light: pb.Light) -> None:
        """Raise `ProtocolError` unless this message holds the slots that come next."""
        if _header(light) != self._header:
            raise invalid("messages of one part speak of different parts")
        if light.repetition * self.slots + light.first != self._next or self.done:
            raise ProtocolError(
                Refusal.FAILED_PRECONDITION,
                f"slot {light.first} of repetition {light.repetition} is out of order",
            )

    def directions(self, light: pb.Light, number: int) -> Complex:
        """Return the directions that these slots meet, shape (number, N): one and the same."""
        return np.repeat(self._directions[self._meets[light.repetition]][None], number, axis=0)

    def read(self, light: pb.Light, inference: Real) -> None:
        """Store what the client's detector reads."""
        self.values[light.repetition, light.first : light.first + len(inference)] = inference
        self._next += len(inference)


def _header(light: pb.Light) -> tuple[object, ...]:
    names = ("session", "batch", "layer", "part", "repetitions", "slots", "modes", "last")
    return tuple(getattr(light, name) for name in names)


def _unit_vectors(name: str, real: bytes, imaginary: bytes, shape: tuple[int, int]) -> Complex:
    vectors = np.empty(shape, dtype=np.complex128)
    vectors.real, vectors.imag = unpack(name, real, shape), unpack(name, imaginary, shape)
    if np.abs(np.linalg.norm(vectors, axis=1) - 1).max() > 1e-5:
        raise invalid("a direction is not of unit length")
    return vectors


def _places(settings: pb.Settings) -> NDArray[np.int64]:
    """Return which repetitions of each slot are checks, shape (slots, checks)."""
    if not settings.checks:
        return np.zeros((0, 0), dtype=np.int64)
    width = 4 * settings.checks
    if len(settings.places) % width:
        raise invalid(f"places have {len(settings.places)} bytes; allowed: a multiple of {width}")
    places = np.frombuffer(settings.places, "<i4").reshape(-1, settings.checks).astype(np.int64)
    last = settings.images + settings.checks - 1
    if places.size and (places.min() < 0 or places.max() > last or np.any(np.diff(places) <= 0)):
        raise invalid(f"places are not ascending within [0, {last}]")
    return places


class SimulatedLink:
    """Both ends of a simulated link through `channel`.

    seed: Seed of the noise. One seed and one schedule give one result. The first session has the
        same noise as `host.run.inference.infer` with a generator of that seed; later sessions have
        noise of their own.
    symbol_level: Whether the link takes the light itself and returns every quadrature that the
        server measured, instead of holding rows.
    interference: An adversary inside the link, as a test instrument. It needs `symbol_level`.
    patience: Seconds that one end waits for the other.
    record: Function that is called with every part before its light is simulated, so that a test
        can compare the server's ledger with what was sent.
    sign: Function that signs a statement; inside one process none is signed.

    Raises `RangeError` for an adversary without `symbol_level`. Both ends raise `ProtocolError` for
    messages that make no sense or come out of order.
    """

    def __init__(
        self,
        channel: Channel,
        seed: int,
        *,
        symbol_level: bool = False,
        interference: Interference | None = None,
        patience: float = 10.0,
        record: Callable[[pb.Shot | pb.Light], None] = lambda part: None,
        sign: Callable[[pb.Statement], pb.Statement] = lambda statement: statement,
    ) -> None:
        if interference is not None and not symbol_level:
            raise RangeError("an adversary acts on light; allowed: with symbol_level")
        self._channel = channel
        self._seed = seed
        self._symbol_level = symbol_level
        self._interference = interference
        self._patience = patience
        self._record = record
        self._sign = sign
        self._held: dict[str, tuple[EncodedRows, set[int]]] = {}
        self._exchanges: dict[Key, _Exchange] = {}
        self._sessions = LinkSessions(secrets.token_hex(8))
        self._former = LinkSessions("")  # of the server before
        self._begun = 0  # sessions that have set optics
        self._closed = False
        self._arrived = threading.Condition()

    def _lit(self, gain: float) -> Link:
        # The rows carry their own amplitudes, so the link's photon number is not used here.
        return Link.through(self._channel, gain, photons=0.0)

    # The server's end.

    def claim(self) -> pb.Loaded:
        """Begin the hold of a server, and forget what another one left.

        Of the sessions before, only which light left is kept, so that `state` can still tell.
        """
        with self._arrived:
            self._held.clear()
            for session in self._sessions.names():
                self._end_exchanges(session, (Refusal.UNAVAILABLE, "the server began anew"))
            self._former, self._sessions = self._sessions, LinkSessions(secrets.token_hex(8))
            return self._loaded()

    def begin(self, announcement: pb.Announcement) -> pb.Loaded:
        """Announce a session of a client, which may set its optics from then on.

        Raises `ProtocolError` NOT_FOUND for an epoch that has ended: no rows are held any more.
        """
        check_version(announcement)
        check_name("session", announcement.session)
        check_name("client", announcement.client)
        with self._arrived:
            if announcement.epoch != self._sessions.epoch:
                raise ProtocolError(Refusal.NOT_FOUND, "the link began anew and holds no rows")
            self._sessions.announce(announcement.session, announcement.client)
            return self._loaded()

    def await_optics(self, light: pb.Light) -> pb.Loaded:
        """Wait until the client has set its optics for a layer of a batch.

        Raises `ProtocolError` where it does not, within `patience` seconds.
        """
        check_version(light)
        check_name("session", light.session)
        self._exchange((light.session, light.batch, light.layer))
        return self._loaded()

    def state(self, light: pb.Light) -> pb.Statement:
        """Say whether a part's light ever left; if it did not, it never will.

        The answer is null for what the link no longer knows, as of an epoch before the last.
        """
        check_version(light)
        check_name("session", light.session)
        place, emitted = (light.batch, light.layer), None
        with self._arrived:
            for sessions in (self._sessions, self._former):
                session = sessions.known(light.session)
                if light.epoch == sessions.epoch and session is not None:
                    emitted = session.emitted(place, light.part)
                    if emitted is False:
                        session.close(place)
                        why = Refusal.FAILED_PRECONDITION, "the server gave the layer up"
                        self._end_exchange((light.session, *place), why)
        body = {"epoch": light.epoch, "session": light.session, "batch": light.batch}
        body |= {"layer": light.layer, "part": light.part, "emitted": emitted}
        return self._sign(pb.Statement(body=json.dumps(body)))

    def _loaded(self, rows: int = 0) -> pb.Loaded:
        epoch = self._sessions.epoch
        return pb.Loaded(rows=rows, symbol_level=self._symbol_level, epoch=epoch)

    def load(self, emissions: Iterable[pb.Emission]) -> pb.Loaded:
        """Hold rows under a key, to be repeated on command. Each row can be loaded only once."""
        self._require_level(False)
        rows = 0
        for emission in emissions:
            check_version(emission)
            check_name("key", emission.key)
            check_range("rows", emission.rows, 1, MOST_ROWS)
            check_range("modes", emission.modes, 1, MOST_MODES)
            check_range("scale", emission.scale, 1 / MOST_MAGNITUDE, MOST_MAGNITUDE)
            if len(emission.x) % (8 * emission.modes):
                raise invalid(f"x has {len(emission.x)} bytes; allowed: whole rows")
            number = len(emission.x) // (8 * emission.modes)
            check_range("rows in a message", number, 1, emission.rows - emission.first)
            x = unpack("x", emission.x, (number, emission.modes))
            p = unpack("p", emission.p, (number, emission.modes))
            with self._arrived:
                rows += self._hold(emission, x, p)
        return pb.Loaded(rows=rows)

    def _hold(self, emission: pb.Emission, x: Real, p: Real) -> int:
        if emission.key not in self._held:
            total = sum(2 * rows.x.size for rows, _ in self._held.values())
            size = 2 * emission.rows * emission.modes
            if total + size > MOST_HELD:
                raise ProtocolError(
                    Refusal.RESOURCE_EXHAUSTED, f"the link holds {total} numbers of {MOST_HELD}"
                )
            shape = emission.rows, emission.modes
            new = EncodedRows(np.zeros(shape), np.zeros(shape), emission.scale)
            self._held[emission.key] = new, set(range(emission.rows))
        held, missing = self._held[emission.key]
        part = set(range(emission.first, emission.first + len(x)))
        if held.x.shape != (emission.rows, emission.modes) or not part <= missing:
            raise ProtocolError(Refusal.ALREADY_EXISTS, f"key {emission.key} holds other rows")
        held.x[emission.first : emission.first + len(x)] = x
        held.p[emission.first : emission.first + len(p)] = p
        missing -= part
        return len(part)

    def emit(self, shot: pb.Shot) -> pb.Returned:
        """Send rows once for every image and check of a batch; return the server's sums."""
        self._require_level(False)
        check_version(shot)
        check_name("session", shot.session)
        weights = self._rows(shot.weights)
        if not shot.first < shot.stop <= weights.rows:
            raise invalid(f"rows [{shot.first}, {shot.stop}) are outside [0, {weights.rows}]")
        check_range("images", shot.images, 1, 2 * MOST_IMAGES)
        order = Order.from_bytes(shot.order, shot.images, shot.mixed)
        names = order.listed
        if not np.array_equal(names[names >= 0], np.arange(shot.first, shot.stop)):
            raise invalid("slots do not hold each of the rows once")
        decoys = EncodedRows(*decoys_of(shot, weights), weights.scale)
        if decoys.rows != np.sum(names < 0):
            raise invalid(f"slots hold {np.sum(names < 0)} decoys, but there are {decoys.rows}")

        exchange = self._exchange((shot.session, shot.batch, shot.layer))
        first_slot = self._begin(exchange, shot, shot.images, len(names), weights.modes)

        link = self._lit(exchange.gain)
        seeds = exchange.seeds
        block = block_of(weights, shot.first, shot.stop)
        # Images and checks are drawn separately, so that the images get the same noise whether
        # there are checks or not. All checks have one direction, whose products serve for all.
        images, repeated = np.arange(len(exchange.xi)), np.zeros(exchange.checks, dtype=np.int64)
        directions = exchange.directions
        overlaps = Overlaps.of(block, directions)
        parts = []
        for which, number in ((images, ()), (repeated + len(images), (2,))):
            if len(which):
                rng = generator(seeds, shot.layer, shot.first, *number)
                met, products = directions[which], overlaps.take(which)
                parts.append(read_sufficient(link, block, met, rng, overlaps=products))
        values = np.empty(order.names.shape)  # a column for each name: the decoys come first
        values[:, decoys.rows :] = np.concatenate([part.values for part in parts])
        sums = SymbolStatistics(0, 0.0, 0.0, 0.0)
        for part in parts:
            assert part.statistics is not None
            sums += part.statistics.pooled()
        returned = pb.Returned(
            weights=pb.Sums(
                count=int(sums.count), qq=float(sums.qq), qy=float(sums.qy), yy=float(sums.yy)
            ),
            modes=weights.modes,
        )
        if decoys.rows:
            rng = generator(seeds, shot.layer, shot.first, 1)
            all_met = directions[np.concatenate([images, repeated + len(images)])]
            per_mode = read_per_mode(link, decoys, all_met, rng)
            values[:, decoys.rows - 1 :: -1] = per_mode.values
            statistics = per_mode.statistics
            assert statistics is not None
            returned.decoy_count = int(statistics.count[0])
            returned.decoy_qq = pack(statistics.qq)
            returned.decoy_qy = pack(statistics.qy)
            returned.decoy_yy = pack(statistics.yy)
        # The client's detector shows a quadrature; only the client rescales it to a product.
        values /= link.inference_scale(weights.scale)
        values = interleave(values, exchange.mask(first_slot))
        self._show(exchange, shot, order.played(values))
        return returned

    def send(self, lights: Iterable[pb.Light]) -> Iterator[pb.Record]:
        """Send one part of a layer, repetition by repetition; yield what the server measures."""
        self._require_level(True)
        part: _Part | None = None
        for light in lights:
            check_version(light)
            check_name("session", light.session)
            check_range("repetitions", light.repetitions, 1, 2 * MOST_IMAGES)
            check_range("slots", light.slots, 1, MOST_READINGS // light.repetitions)
            check_range("modes", light.modes, 1, MOST_MODES)
            if part is None:
                exchange = self._exchange((light.session, light.batch, light.layer))
                first = self._begin(exchange, light, light.repetitions, light.slots, light.modes)
                part = _Part(exchange, light, first)
            yield self._pass(part, light)
        if part is None or not part.done:
            raise invalid("the light of a part ended before its last slot")

    def _pass(self, part: _Part, light: pb.Light) -> pb.Record:
        """Send the light of one message through the loop and return what the server measures."""
        part.require_next(light)
        number = len(light.measure_p)
        check_range("slots in a message", number, 1, part.slots - light.first)
        shape = number, light.modes
        sent = np.empty(shape, dtype=np.complex128)
        sent.real, sent.imag = unpack("x", light.x, shape), unpack("p", light.p, shape)
        if light.squeezing:
            check_range("squeezing", light.squeezing, 10 ** (-MOST_SQUEEZING / 10), 1)
        measure_p = np.frombuffer(light.measure_p, np.uint8) > 0

        link, xi = self._lit(part.exchange.gain), part.directions(light, number)
        rng, adversary = part.rng, self._interference
        if adversary is not None:
            link, xi = adversary.optics(link, xi)
        if light.squeezing:
            leaving = sent + Squeezer.of(light.squeezing).probe(shape, rng)
        elif adversary is not None:
            leaving = adversary.outward(sent, rng)
        else:
            leaving = sent + vacuum(shape, rng)
        passed = pass_through(link, leaving, xi, rng)
        if adversary is not None:
            adversary.note(sent, xi, passed.inference)
        part.read(light, passed.inference)
        if light.count:
            values = counted(link, xi, passed.added, rng)
        else:
            values = homodyne(link, passed.returned, measure_p, rng)
        if part.done:
            self._show(part.exchange, light, part.values)
        return pb.Record(values=pack(values))

    def _begin(
        self,
        exchange: _Exchange,
        part: pb.Shot | pb.Light,
        repetitions: int,
        slots: int,
        modes: int,
    ) -> int:
        """Check a part against the client's settings and the order of parts.

        Return its first slot. Raises `ProtocolError` where the part does not fit.
        """
        if (exchange.repetitions, exchange.xi.shape[1]) != (repetitions, modes):
            raise ProtocolError(
                Refusal.FAILED_PRECONDITION,
                f"the client set its optics for {exchange.repetitions} repetitions and "
                f"{exchange.xi.shape[1]} modes, not for {repetitions} and {modes}",
            )
        with self._arrived:
            if part.part != exchange.next_part:
                raise ProtocolError(
                    Refusal.FAILED_PRECONDITION,
                    f"part {part.part} is out of order; allowed: {exchange.next_part}",
                )
            first = exchange.next_slot
            if exchange.checks and first + slots > len(exchange.places):
                raise ProtocolError(
                    Refusal.FAILED_PRECONDITION,
                    f"the client set its optics for {len(exchange.places)} slots, "
                    f"not for {first + slots}",
                )
            session, place = self._sessions.find(part.session), (part.batch, part.layer)
            if session is None or place in session.closed:
                raise ProtocolError(Refusal.FAILED_PRECONDITION, "the layer was given up")
            exchange.next_part += 1
            exchange.next_slot += slots
            session.touch(place, exchange.next_part)
        self._record(part)
        return first

    def _show(self, exchange: _Exchange, part: pb.Shot | pb.Light, values: Real) -> None:
        """Give the client what its detector reads of a part, shape (repetitions, slots)."""
        reading = pb.Reading(part=part.part, slots=values.shape[1], values=pack(values))
        exchange.readings.put(reading)
        if part.last:
            exchange.readings.put(None)

    def _require_level(self, symbol_level: bool) -> None:
        if symbol_level != self._symbol_level:
            how = "the light itself, by Send" if self._symbol_level else "rows, by Load and Emit"
            raise ProtocolError(Refusal.FAILED_PRECONDITION, f"this link takes {how}")

    def drop(self, dropped: pb.Dropped) -> pb.Loaded:
        """Forget a session and the rows under the given keys.

        A client that still waits in that session is told why it ended, in the server's words.
        """
        check_version(dropped)
        refusal = dropped.refusal or Refusal.FAILED_PRECONDITION.name
        if refusal not in Refusal.__members__:
            raise invalid("the refusal is none that this protocol knows")
        if len(dropped.reason) > MOST_REASON:
            raise invalid(f"the reason has {len(dropped.reason)} characters of {MOST_REASON}")
        why = Refusal[refusal], dropped.reason or "the session was dropped"
        with self._arrived:
            for key in dropped.keys:
                self._held.pop(key, None)
            if dropped.session:
                self._sessions.end(dropped.session, why)
                self._end_exchanges(dropped.session, why)
            return self._loaded()

    def _end_exchanges(self, session: str, why: tuple[Refusal, str]) -> None:
        for waiting in [k for k in self._exchanges if k[0] == session]:
            self._end_exchange(waiting, why)
        self._arrived.notify_all()

    def _end_exchange(self, key: Key, why: tuple[Refusal, str]) -> None:
        if (exchange := self._exchanges.pop(key, None)) is not None:
            exchange.readings.put(ProtocolError(*why))

    def shut_down(self) -> None:
        """End all sessions and wake up both ends, so that neither waits any longer."""
        with self._arrived:
            self._closed = True
            for exchange in self._exchanges.values():
                exchange.readings.put(None)
            self._arrived.notify_all()

    def _rows(self, key: str) -> EncodedRows:
        with self._arrived:
            if key not in self._held:
                raise ProtocolError(Refusal.NOT_FOUND, f"no rows are held under key {key!r}")
            rows, missing = self._held[key]
        if missing:
            raise ProtocolError(Refusal.FAILED_PRECONDITION, f"{len(missing)} rows are not loaded")
        return rows

    def _exchange(self, key: Key) -> _Exchange:
        """Wait for the client's settings for a layer of a batch, and return them.

        Raises `ProtocolError` after `patience` seconds, or where the session or the link ended.
        """
        with self._arrived:
            if not self._arrived.wait_for(
                lambda: key in self._exchanges or self._sessions.ended(key[0]) or self._closed,
                self._patience,
            ):
                raise ProtocolError(
                    Refusal.DEADLINE_EXCEEDED,
                    f"the client's optics were not set within {self._patience:g} s",
                )
            if key not in self._exchanges:
                self._sessions.require_open(key[0])
                raise ProtocolError(*_SHUT_DOWN)
            return self._exchanges[key]

    # The client's end.

    def measure(self, settings: pb.Settings, client: str | None = None) -> Iterator[pb.Reading]:
        """Set the client's optics for a layer of a batch; return an iterator over its readings.

        client: The name in the client's certificate; None inside one process.

        A reading holds quadratures of one part in √SNU, (repetitions, slots). Raises
        `ProtocolError` for settings that make no sense, a layer that was measured already, and a
        session that has ended.
        """
        check_version(settings)
        check_name("session", settings.session)
        check_range("gain", settings.gain, 1 + 1e-12, LARGEST_GAIN)
        check_range("images", settings.images, 1, MOST_IMAGES)
        check_range("modes", settings.modes, 1, MOST_MODES)
        check_range("checks", settings.checks, 0, MOST_IMAGES)
        with self._arrived:  # before the arrays are read, which takes time
            self._sessions.of(settings.session, client)
        shape = settings.images, settings.modes
        xi = _unit_vectors("real parts", settings.real, settings.imaginary, shape)
        check = np.zeros(settings.modes, dtype=np.complex128)
        if settings.checks:
            parts = settings.check_real, settings.check_imaginary
            check = _unit_vectors("check", *parts, (1, settings.modes))[0]
        places = _places(settings)
        key = settings.session, settings.batch, settings.layer
        with self._arrived:
            if self._closed:
                raise ProtocolError(*_SHUT_DOWN)
            session = self._sessions.of(settings.session, client)
            if key[1:] in session.parts:
                raise ProtocolError(
                    Refusal.ALREADY_EXISTS, f"batch {key[1]}, layer {key[2]} was measured already"
                )
            if len(self._exchanges) >= MOST_WAITING:
                self._clear_abandoned()
            if len(self._exchanges) >= MOST_WAITING:
                raise ProtocolError(
                    Refusal.RESOURCE_EXHAUSTED, f"{MOST_WAITING} batches are on their way already"
                )
            own = sum(exchange.client == client for exchange in self._exchanges.values())
            if client is not None and own >= MOST_OF_CLIENT:
                raise ProtocolError(
                    Refusal.RESOURCE_EXHAUSTED, f"{own} batches of the client are on their way"
                )
            if session.ordinal is None:
                session.ordinal = self._begun
                self._begun += 1
            ordinal = session.ordinal
            branch = (settings.stream, *([LATER_SESSIONS + ordinal] if ordinal else []))
            seeds = np.random.SeedSequence(self._seed, spawn_key=branch)
            exchange = _Exchange(xi, check, places, settings.gain, seeds, client)
            session.touch((settings.batch, settings.layer), 0)
            self._exchanges[key] = exchange
            self._arrived.notify_all()
        return self._readings(key, exchange)

    def _clear_abandoned(self) -> None:
        """Forget old batches that never got any light: their clients have left without notice."""
        oldest = time.monotonic() - 3 * self._patience
        for key, exchange in list(self._exchanges.items()):
            if exchange.since < oldest and not exchange.next_part:
                del self._exchanges[key]

    def _readings(self, key: Key, exchange: _Exchange) -> Iterator[pb.Reading]:
        try:
            deadline = time.monotonic() + 3 * self._patience
            while True:
                try:
                    reading = exchange.readings.get(timeout=deadline - time.monotonic())
                except (queue.Empty, ValueError):
                    raise ProtocolError(
                        Refusal.DEADLINE_EXCEEDED, "no light arrived from the server"
                    ) from None
                if reading is None:
                    return
                if isinstance(reading, ProtocolError):
                    raise reading
                yield reading
                deadline = time.monotonic() + 3 * self._patience
        finally:
            with self._arrived:
                if self._exchanges.get(key) is exchange:
                    del self._exchanges[key]
