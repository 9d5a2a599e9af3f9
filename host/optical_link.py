"""The optical link as a process of its own: a simulation true to the physics, with two ends.

It stands for the fibre and for what both parties have at its ends: the server's modulator and
receiver, the client's interferometer, amplifier and detector. It is the only place where light and
data meet, and it hands each side what that side's own detector would show: the client its homodyne
values, the server the sums of its returned light. To be fast it holds rows that the server loaded
once and repeats them on command.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from host.protocol import messages_pb2 as pb
from host.protocol.wire import (
    MOST_IMAGES,
    MOST_MAGNITUDE,
    MOST_MODES,
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
from host.schedule import block_of, generator
from models.encoding import Complex, EncodedRows, Real
from models.optics import Link
from models.per_mode import read_per_mode, read_per_mode_symbols
from models.sufficient import read_sufficient
from models.symbols import inference_scale, read_symbols

MOST_HELD = 1 << 27  # numbers in all rows held: 1 GiB
MOST_WAITING = 256  # batches whose light is on its way
LATER_SESSIONS = 1 << 24  # above any layer, so that no two streams of randomness coincide

Key = tuple[str, int, int]  # session, batch, layer


@dataclass(eq=False)
class _Exchange:
    """One layer of one batch: the client's settings, and what its detector has read so far."""

    xi: Complex
    gain: float
    seeds: np.random.SeedSequence
    readings: queue.SimpleQueue[pb.Reading | None] = field(default_factory=queue.SimpleQueue)
    next_part: int = 0
    since: float = field(default_factory=time.monotonic)


class SimulatedLink:
    """Both ends of a link with the physics of `link`; its gain and photon number do not enter.

    seed: one seed and one schedule give one result; the first session has the same noise as
    `host.inference.infer` with a generator of that seed, later ones have noise of their own.
    symbol_level: simulate every mode.
    patience: seconds that one end waits for the other. record: called with every shot before its
    light is simulated, for whoever wants to hold the server's ledger against what was sent.
    """

    def __init__(
        self,
        link: Link,
        seed: int,
        *,
        symbol_level: bool = False,
        patience: float = 10.0,
        record: Callable[[pb.Shot], None] = lambda shot: None,
    ) -> None:
        self._link = link
        self._seed = seed
        self._read = read_symbols if symbol_level else read_sufficient
        self._read_per_mode = read_per_mode_symbols if symbol_level else read_per_mode
        self._patience = patience
        self._record = record
        self._held: dict[str, tuple[EncodedRows, set[int]]] = {}
        self._exchanges: dict[Key, _Exchange] = {}
        self._used: dict[str, set[tuple[int, int]]] = {}
        self._ordinals: dict[str, int] = {}
        self._dropped: set[str] = set()
        self._closed = False
        self._arrived = threading.Condition()

    # The server's end.

    def load(self, emissions: Iterable[pb.Emission]) -> pb.Loaded:
        """Hold rows under a key, to be repeated on command; a key is filled once."""
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
        """Send rows once for every image of a batch; return what the server's receiver shows."""
        check_version(shot)
        check_name("session", shot.session)
        weights = self._rows(shot.weights)
        decoys = self._rows(shot.decoys) if shot.decoys else None
        if not shot.first < shot.stop <= weights.rows:
            raise invalid(f"rows [{shot.first}, {shot.stop}) are outside [0, {weights.rows}]")
        slots = np.array(shot.slots, dtype=np.int64)
        picked = -1 - slots[slots < 0]
        sent = np.sort(slots[slots >= 0])
        if not np.array_equal(sent, np.arange(shot.first, shot.stop)):
            raise invalid("slots do not hold each of the rows once")
        if len(picked) and (decoys is None or picked.max() >= decoys.rows):
            raise invalid("slots hold a decoy that is not loaded")
        if decoys is not None and decoys.modes != weights.modes:
            raise invalid(f"decoys have {decoys.modes} modes; allowed: {weights.modes}")

        exchange = self._exchange((shot.session, shot.batch, shot.layer))
        if exchange.xi.shape != (shot.images, weights.modes):
            raise ProtocolError(
                Refusal.FAILED_PRECONDITION,
                f"the client set its optics for {exchange.xi.shape[0]} images and "
                f"{exchange.xi.shape[1]} modes, not for {shot.images} and {weights.modes}",
            )
        with self._arrived:
            if shot.part != exchange.next_part:
                raise ProtocolError(
                    Refusal.FAILED_PRECONDITION,
                    f"part {shot.part} is out of order; allowed: {exchange.next_part}",
                )
            exchange.next_part += 1
        self._record(shot)

        link = replace(self._link, gain=exchange.gain)
        seeds = exchange.seeds
        block = block_of(weights, shot.first, shot.stop)
        seen = self._read(link, block, exchange.xi, generator(seeds, shot.layer, shot.first))
        values = np.empty((shot.images, len(slots)))
        values[:, slots >= 0] = seen.values[:, slots[slots >= 0] - shot.first]
        assert seen.statistics is not None
        sums = seen.statistics.pooled()
        returned = pb.Returned(
            weights=pb.Sums(
                count=int(sums.count), qq=float(sums.qq), qy=float(sums.qy), yy=float(sums.yy)
            ),
            modes=weights.modes,
        )
        if len(picked) and decoys is not None:
            light = EncodedRows(decoys.x[picked], decoys.p[picked], decoys.scale)
            rng = generator(seeds, shot.layer, shot.first, 1)
            per_mode = self._read_per_mode(link, light, exchange.xi, rng)
            values[:, slots < 0] = per_mode.values * (weights.scale / decoys.scale)
            statistics = per_mode.statistics
            assert statistics is not None
            returned.decoy_count = int(statistics.count[0])
            returned.decoy_qq = pack(statistics.qq)
            returned.decoy_qy = pack(statistics.qy)
            returned.decoy_yy = pack(statistics.yy)
        # The client's detector shows a quadrature; it is the client that turns it into a product.
        values /= inference_scale(link, weights)
        exchange.readings.put(pb.Reading(part=shot.part, slots=len(slots), values=pack(values)))
        if shot.last:
            exchange.readings.put(None)
        return returned

    def drop(self, dropped: pb.Dropped) -> pb.Loaded:
        """Forget a session and the rows under the keys given, or everything that is held.

        A link has one server at a time; one that begins anew, perhaps after it was killed, clears
        what the last one left.
        """
        check_version(dropped)
        with self._arrived:
            if dropped.everything:
                self._held.clear()
                for (session, _, _), exchange in self._exchanges.items():
                    self._dropped.add(session)
                    exchange.readings.put(None)
                self._exchanges.clear()
                self._arrived.notify_all()
            for key in dropped.keys:
                self._held.pop(key, None)
            if dropped.session:
                self._dropped.add(dropped.session)
                self._used.pop(dropped.session, None)
                for waiting in [k for k in self._exchanges if k[0] == dropped.session]:
                    self._exchanges.pop(waiting).readings.put(None)
                self._arrived.notify_all()
        return pb.Loaded(rows=0)

    def shut_down(self) -> None:
        """Let everybody go who waits for the other end."""
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
        """The client's settings for a layer of a batch, waited for."""
        with self._arrived:
            if not self._arrived.wait_for(
                lambda: key in self._exchanges or key[0] in self._dropped or self._closed,
                self._patience,
            ):
                raise ProtocolError(
                    Refusal.DEADLINE_EXCEEDED,
                    f"the client's optics were not set within {self._patience:g} s",
                )
            if key not in self._exchanges:
                raise ProtocolError(Refusal.ABORTED, "the session was dropped")
            return self._exchanges[key]

    # The client's end.

    def measure(self, settings: pb.Settings) -> Iterator[pb.Reading]:
        """Set the client's optics for a layer of a batch; yield what its detector reads."""
        check_version(settings)
        check_name("session", settings.session)
        check_range("gain", settings.gain, 1 + 1e-12, 1e6)
        check_range("images", settings.images, 1, MOST_IMAGES)
        check_range("modes", settings.modes, 1, MOST_MODES)
        shape = settings.images, settings.modes
        xi = np.empty(shape, dtype=np.complex128)
        xi.real = unpack("real parts", settings.real, shape)
        xi.imag = unpack("imaginary parts", settings.imaginary, shape)
        norms = np.linalg.norm(xi, axis=1)
        if np.abs(norms - 1).max() > 1e-5:
            raise invalid("a direction is not of unit length")
        key = settings.session, settings.batch, settings.layer
        with self._arrived:
            if settings.session in self._dropped or self._closed:
                raise ProtocolError(Refusal.FAILED_PRECONDITION, "the session was dropped")
            if key[1:] in self._used.get(settings.session, ()):
                raise ProtocolError(
                    Refusal.ALREADY_EXISTS, f"batch {key[1]}, layer {key[2]} was measured already"
                )
            if len(self._exchanges) >= MOST_WAITING:
                self._clear_abandoned()
            if len(self._exchanges) >= MOST_WAITING:
                raise ProtocolError(
                    Refusal.RESOURCE_EXHAUSTED, f"{MOST_WAITING} batches are on their way already"
                )
            if settings.session not in self._ordinals:
                self._ordinals[settings.session] = len(self._ordinals)
            ordinal = self._ordinals[settings.session]
            branch = (settings.stream, *([LATER_SESSIONS + ordinal] if ordinal else []))
            seeds = np.random.SeedSequence(self._seed, spawn_key=branch)
            exchange = _Exchange(xi, settings.gain, seeds)
            self._used.setdefault(settings.session, set()).add(key[1:])
            self._exchanges[key] = exchange
            self._arrived.notify_all()
        return self._readings(key, exchange)

    def _clear_abandoned(self) -> None:
        """Forget batches whose client left before it read anything, and so before it could say."""
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
                yield reading
                deadline = time.monotonic() + 3 * self._patience
        finally:
            with self._arrived:
                if self._exchanges.get(key) is exchange:
                    del self._exchanges[key]
