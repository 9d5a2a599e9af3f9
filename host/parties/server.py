"""The model owner's side: it sends rows and decoys, charges them and judges what returns.

The server knows the weights and never the data. It continues with a session only as long as
verification accepts it. The client sets its optics first. Then every part of a layer is reserved
in the ledger before its light leaves, and committed after verification accepted it. What the link
can show was never sent is not charged.
"""

from __future__ import annotations

import itertools
import logging
import math
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.ledger.accounts import Emission, Reserve
from shotveil.host.ledger.budget import BudgetExhausted, BudgetFilter
from shotveil.host.ledger.checkpoints import Checkpoint, require_part_of, sign
from shotveil.host.parties.sessions import require_room, to_end
from shotveil.host.parties.transmitter import Transmitter, transmitter_for
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.order import Order
from shotveil.host.protocol.wire import (
    MOST_IMAGES,
    MOST_REASON,
    VERSION,
    ProtocolError,
    Refusal,
    check_name,
    check_range,
    check_version,
    invalid,
    pack,
)
from shotveil.host.run.schedule import Part
from shotveil.host.verification.monitor import ClientMonitor, MonitorSettings, Verdict
from shotveil.host.verification.probe_check import FEWEST_CHECKS
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.decoys import RowMoments, decoy_rows
from shotveil.models.link.encoding import EncodedRows, encode_rows
from shotveil.models.link.light import Light, links_of
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Network
from shotveil.models.networks.permutation import (
    Orders,
    draw_orders,
    require_hidden_units,
    with_inputs_in_order,
)

log = logging.getLogger("shotveil.server")

MOST_SESSIONS = 256
MOST_OF_CLIENT = 8  # sessions, and layers on their way, of one client
MOST_SETTLED = 64  # outstanding reserves that a server which starts asks the link about
IDLE_SECONDS = 600.0
SEED_BYTES = 32
QUIET_SECONDS = 5.0  # after which a server that drains waits no longer for a session


@dataclass(frozen=True)
class ServerSettings:
    """The settings of a server.

    link: Link that the server declares, with its photon number (> 0) and the gain that it grants,
        for all layers or as a sequence with one for each.
    decoy_rate: Number of decoy rows for each row of weights, in (0, 1].
    monitor: Settings of verification.
    patience: Seconds that the server waits for room in the budget before it gives up.
    sessions: Largest number of open sessions, 1 to `MOST_SESSIONS`.
    idle: Seconds after which an unused session is ended to make room for another.
    fresh_orders: Whether hidden units come in a new order for each image. It makes a network wear
        slower against the attack that we know, and nothing counts it (docs/networks.md).

    Raises `RangeError` for a value out of range.
    """

    link: Light
    decoy_rate: float = 1 / 16
    monitor: MonitorSettings = field(default_factory=MonitorSettings)
    patience: float = 10.0
    sessions: int = MOST_SESSIONS
    idle: float = IDLE_SECONDS
    fresh_orders: bool = False

    def __post_init__(self) -> None:
        require("decoy rate", self.decoy_rate, above=0, at_most=1)
        require("sessions", self.sessions, at_least=1, at_most=MOST_SESSIONS, integer=True)
        for link in [self.link] if isinstance(self.link, Link) else self.link:
            require("photons", link.photons, above=0)


@dataclass(eq=False)
class _Session:
    client: str
    monitor: ClientMonitor
    rng: np.random.Generator
    lock: threading.Lock = field(default_factory=threading.Lock)
    # For each batch: its number of images and the layer that comes next, len(layers) when done.
    batches: dict[int, tuple[int, int]] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)
    orders: dict[int, Orders] = field(default_factory=dict)  # of hidden units, for each batch
    used: float = field(default_factory=time.monotonic)
    left: float = -math.inf  # when its last layer ended
    images: int = 0
    epoch: str = ""  # the hold of the link that the session belongs to
    begun: bool = False  # link and ledger know of it
    ending: bool = False  # it gives way to another one


@dataclass(eq=False)
class _Hidden:
    """What nobody knows of a layer's light in a batch: its decoys, and the order of its slots.

    key, rows: The rows that are sent, and the name under which the transmitter holds them.
    places: The place at which the client reads each row, where units come in a fresh order.
    decoys: Those of all parts, where all parts have to share a scale. Else each part has a seed, by
        which whoever sends it draws them: that saves most of the bytes on the way to the link.
    """

    key: str
    rows: EncodedRows
    places: NDArray[np.intp] | None
    rng: np.random.Generator
    decoys: EncodedRows | None = None

    def of(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Return what a shot says of its own decoys."""
        if self.decoys is None:
            return {"decoys": len(numbers), "decoy_seed": self.rng.bytes(SEED_BYTES)}
        x, p = self.decoys.x, self.decoys.p
        peak = float(max(np.abs(x).max(), np.abs(p).max()))
        own = list(numbers)
        return {"decoy_x": pack(x[own]), "decoy_p": pack(p[own]), "decoy_peak": peak}

    def told(self, order: Order) -> Order:
        """Return the order of a part as the client has to know it."""
        return order if self.places is None else order.renamed(self.places)


class ModelServer:
    """Serves one network over a link of its own. Threads may call all methods at once.

    network: The network that is served.
    settings: The declared link and the rules of a session.
    ledger: The account of what leaked of the weights. Nothing is sent without its permission.
    port: The server's end of the link. Only the transmitter uses it.
    rng: Secret generator. It draws decoys and the order of slots.
    transmitter: Function that makes the transmitter from the port and a generator; by default the
        honest one that fits the link.

    All methods that answer a client raise `ProtocolError` for a request that is refused.
    """

    def __init__(
        self,
        network: Network,
        settings: ServerSettings,
        ledger: BudgetFilter,
        port: Any,
        rng: np.random.Generator,
        transmitter: Callable[[Any, np.random.Generator], Transmitter] = transmitter_for,
    ) -> None:
        self._network = network
        self._settings = settings
        self._ledger = ledger
        self._rng = rng
        self._guard = threading.Lock()
        self._loading = threading.Lock()
        self._knowing = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._draining = False
        self._images = 0
        # Why the last few sessions ended, for clients that still ask in one. The errors themselves
        # are not kept: their tracebacks would keep the calls and their streams alive.
        self._refused: dict[str, tuple[str, Refusal, str]] = {}
        # One monitor for all open sessions of a client; what it knows lies in the ledger.
        self._monitors: weakref.WeakValueDictionary[str, ClientMonitor] = (
            weakref.WeakValueDictionary()
        )
        self._links = links_of(settings.link, len(network.layers))
        self._rows = [
            encode_rows(layer.weights, link.modulation_variance)
            for layer, link in zip(network.layers, self._links, strict=True)
        ]
        self._patches = [layer.patches for layer in network.layers]
        if settings.fresh_orders:
            require_hidden_units(network)
        name = secrets.token_hex(8)
        self._keys = [f"weights {name} {i}" for i in range(len(self._rows))]
        ledger.register(network)
        self._light = transmitter(port, rng.spawn(1)[0])
        self._hold_weights()
        # Reserves that the link is asked about, first those of a server that died.
        self._doubtful = list(ledger.accounts.outstanding.values())[-MOST_SETTLED:]
        self._settle_doubtful()

    def _hold_weights(self) -> None:
        for key, rows in zip(self._keys, self._rows, strict=True):
            self._light.hold(key, rows)

    def open(self, hello: pb.Hello, client: str) -> pb.Welcome:
        """Begin a session with `client`, the name in its certificate.

        Raises `ProtocolError` for an unknown network, a client that is refused, a checkpoint that
        the ledger does not hold, too many sessions or an exhausted budget.
        """
        check_version(hello)
        if self._draining:
            raise ProtocolError(
                Refusal.UNAVAILABLE, "the server is about to stop and takes no new sessions"
            )
        name = hello.network
        if name:
            check_name("network", name)
        if hello.checkpoint:
            self._require_held(hello.checkpoint)
        digest = self._network.digest
        if name and name != self._network.name and not (len(name) > 7 and digest.startswith(name)):
            raise ProtocolError(
                Refusal.NOT_FOUND,
                f"network {name!r} is not served; allowed: {self._network.name}",
            )
        self._require_admitted(client)
        self._expire()
        links, settings = self._links, self._settings
        session_id = secrets.token_hex(16)
        # Before the lock that all calls need: what is known of a client lies in the ledger, which
        # others may hold while they wait for the disk.
        monitor = self._monitor(client)
        with self._guard:
            # Of a client that has as many as it may, one gives way.
            gone = to_end(self._sessions, client, MOST_OF_CLIENT)
            others = (each for name, each in self._sessions.items() if name != gone)
            require_room(others, settings.sessions)
            rng = self._rng.spawn(1)[0]
            layers = self._network.layers
            session = _Session(client, monitor, rng)
            self._sessions[session_id] = session
            giving_way = self._sessions.get(gone)
            if giving_way is not None:
                giving_way.ending = True
        if giving_way is not None:
            self._end(gone, giving_way, "the client began another one")
        try:
            self._begin_at_link(session_id, session)
            self._ledger.open_session(
                session_id,
                digest,
                client,
                [link.modulation_variance for link in links],
                [
                    ChannelClass(
                        link.declared_transmittance_at(x.modes), link.declared_excess_noise(x.modes)
                    )
                    for x, link in zip(layers, links, strict=True)
                ],
                settings.monitor.failure_probability,
                disclosed_bits(self._rows),
                session.monitor.standing,
            )
        except BaseException as error:
            with self._guard:
                self._sessions.pop(session_id, None)
            if session.epoch:  # the link knows of it already
                self._forget(pb.Dropped(version=VERSION, session=session_id))
            if isinstance(error, BudgetExhausted):
                raise ProtocolError(Refusal.RESOURCE_EXHAUSTED, str(error)) from None
            raise
        with self._guard:
            session.begun = session_id in self._sessions
        if not session.begun:
            self._ledger.end_session(session_id, "the server shut down")
            raise ProtocolError(Refusal.UNAVAILABLE, "the server shuts down")
        log.info("session %s of client %s begins", session_id[:8], client)
        return pb.Welcome(
            version=VERSION,
            session=session_id,
            network=self._network.name,
            layers=[
                pb.LayerShape(
                    rows=layer.rows,
                    columns=layer.columns,
                    bias=layer.bias,
                    scale=rows.scale,
                    patches=layer.patches,
                    gain=link.gain,
                    photons=link.photons,
                )
                for layer, rows, link in zip(layers, self._rows, links, strict=True)
            ],
            transmittance_out=links[0].transmittance_out,
            decoy_rate=settings.decoy_rate,
            planned=not self._network.plan.plain,
            most_images=1 if settings.fresh_orders else 0,
            digest=self._network.digest,
        )

    def run_layer(self, request: pb.LayerRequest, client: str) -> Iterator[pb.Progress]:
        """Send one layer's rows for a batch.

        Return an iterator that tells, part by part, which slot of which repetition carried which
        row, once the light of the part has returned. It raises
        `ProtocolError` where the budget is exhausted or verification refuses the client.
        """
        check_version(request)
        session = self._session(request.session, client)
        check_range("images", request.images, 1, MOST_IMAGES)
        if request.layer < len(self._patches):  # `_begin` refuses another layer
            check_range(
                "images × patches", request.images * self._patches[request.layer], 1, MOST_IMAGES
            )
        check_range("checks", request.checks, 0, MOST_IMAGES)
        if self._settings.fresh_orders:
            # All repetitions of a batch come in one order, so there must be few of them.
            check_range("images of a batch in a fresh order", request.images, 1, 1)
            check_range("checks of a batch in a fresh order", request.checks, 0, FEWEST_CHECKS)
        self._begin(session, request)
        return self._parts(session, request)

    def close(self, goodbye: pb.Goodbye, client: str) -> pb.Receipt:
        """End a session and return how many images it had."""
        check_version(goodbye)
        session = self._session(goodbye.session, client)
        self._end(goodbye.session, session, "closed by the client")
        receipt = str(sign(self._ledger.log))
        return pb.Receipt(network=self._network.name, images=session.images, checkpoint=receipt)

    @property
    def images(self) -> int:
        """Number of images whose last layer was sent."""
        return self._images

    @property
    def open_sessions(self) -> int:
        """Number of open sessions."""
        return len(self._sessions)

    @property
    def layers_on_their_way(self) -> int:
        """Number of layers that are being sent."""
        return sum(len(session.running) for session in list(self._sessions.values()))

    def drain(self, hurry: threading.Event, seconds: float) -> None:
        """Let the sessions that are open go on, and take no new ones.

        Return when each has ended or was quiet for `QUIET_SECONDS`, after `seconds` at the latest,
        or as soon as `hurry` is set.
        """
        deadline = time.monotonic() + seconds
        self._draining = True
        log.info("no new sessions; %d are open", len(self._sessions))
        while time.monotonic() < deadline and self._in_use() and not hurry.wait(0.05):
            pass

    def _in_use(self) -> bool:
        now = time.monotonic()
        return any(
            session.running or now - max(session.used, session.left) < QUIET_SECONDS
            for session in list(self._sessions.values())
        )

    def shut_down(self) -> None:
        """End all sessions."""
        for session_id, session in list(self._sessions.items()):
            self._end(session_id, session, "the server shut down")

    def _require_held(self, text: str) -> None:
        """Refuse to serve from a ledger that was rolled back, as a client's receipt shows."""
        try:
            check_range("length of the checkpoint", len(text), 0, MOST_REASON)
            checkpoint = Checkpoint.parse(text)
            if checkpoint.ledger == sign(self._ledger.log).ledger:
                require_part_of(self._ledger.log, checkpoint)
        except RangeError as error:
            raise ProtocolError(Refusal.FAILED_PRECONDITION, str(error)) from None

    def _begin_at_link(self, session_id: str, session: _Session) -> None:
        """Announce a session to the link, which may have been restarted since the last one."""
        epoch = self._light.epoch
        try:
            self._light.begin(session_id, session.client)
        except ProtocolError as error:
            if error.refusal is not Refusal.NOT_FOUND:
                raise
            with self._loading:
                if self._light.epoch == epoch:  # else another thread has done it
                    log.warning("the link forgot this server, which begins anew: %s", error)
                    self._light.renew()
                    self._hold_weights()
                    for name, other in list(self._sessions.items()):
                        if other.epoch not in ("", self._light.epoch):
                            self._end(name, other, "the link began anew")
            self._light.begin(session_id, session.client)
        session.epoch = self._light.epoch
        self._settle_doubtful()

    def _settle(self, reserve: Reserve) -> None:
        """Take a charge back if the link states that its light never left.

        If the link cannot be asked now, it is asked again when the next session begins.
        """
        try:
            evidence = self._light.never_sent(reserve)
        except ProtocolError as error:
            log.warning("reserve %d stays charged for now: %s", reserve.sequence, error)
            with self._guard:
                self._doubtful = [*self._doubtful, reserve][-MOST_SETTLED:]
            return
        if evidence is not None:
            self._ledger.settle(reserve.sequence, evidence)
            log.info("reserve %d is not charged: its light never left", reserve.sequence)

    def _settle_doubtful(self) -> None:
        with self._guard:
            doubtful, self._doubtful = self._doubtful, []
        for reserve in doubtful:
            if reserve.sequence in self._ledger.accounts.outstanding:
                self._settle(reserve)

    def _require_admitted(self, client: str) -> None:
        if reason := self._ledger.refusal(client):
            raise ProtocolError(
                Refusal.PERMISSION_DENIED,
                f"client {client} is refused until the owner readmits it: {reason}",
            )

    def _require_accepted(self, client: str) -> None:
        """Raise `ProtocolError` if verification refused a client since its session began."""
        if reason := self._ledger.refusal(client):
            raise ProtocolError(Refusal.ABORTED, f"verification refused: {reason}")

    def _monitor(self, client: str) -> ClientMonitor:
        """Return what verification knows of a client, from the ledger if it has no open session."""
        with self._knowing:
            monitor = self._monitors.get(client)
            if monitor is None or self._is_over(monitor):
                modes = [layer.modes for layer in self._network.layers]
                known = self._ledger.take_over(client)
                settings, digest = self._settings.monitor, self._network.digest
                monitor = ClientMonitor(
                    self._links, modes, settings, digest, known, certifies=self._light.mixes
                )
                self._monitors[client] = monitor
            return monitor

    def _is_over(self, monitor: ClientMonitor) -> bool:
        """Whether all sessions with a monitor were ended by other servers, which may know more."""
        with self._guard:
            own = {name: s.begun for name, s in self._sessions.items() if s.monitor is monitor}
        return bool(own) and all(own.values()) and self._ledger.have_ended(own)

    def _session(self, session_id: str, client: str) -> _Session:
        with self._guard:
            session = self._sessions.get(session_id)
            if session is None and session_id in self._refused:
                owner, refusal, reason = self._refused[session_id]
                if owner == client:
                    raise ProtocolError(refusal, reason)
            # The answer for another client's session is the same as for no session at all.
            if session is None or session.client != client:
                raise ProtocolError(Refusal.NOT_FOUND, "there is no such session")
            session.used = time.monotonic()
            return session

    def _begin(self, session: _Session, request: pb.LayerRequest) -> None:
        """Check that a batch asks for its layers in order, each once and one at a time."""
        with self._guard:
            own = [s for s in self._sessions.values() if s.client == session.client]
            if sum(len(s.running) for s in own) >= MOST_OF_CLIENT:
                raise ProtocolError(
                    Refusal.RESOURCE_EXHAUSTED, f"{MOST_OF_CLIENT} layers are on their way already"
                )
        with session.lock:
            images, layer = session.batches.get(request.batch, (request.images, 0))
            if request.batch in session.running or request.layer < layer:
                raise ProtocolError(
                    Refusal.ALREADY_EXISTS,
                    f"layer {request.layer} of batch {request.batch} was asked for already",
                )
            if request.layer >= len(self._rows):
                raise invalid(f"layer {request.layer} is outside [0, {len(self._rows) - 1}]")
            if request.layer != layer or request.images != images:
                raise ProtocolError(
                    Refusal.FAILED_PRECONDITION,
                    f"batch {request.batch} goes on with layer {layer} and {images} images",
                )
            if self._settings.fresh_orders and request.batch not in session.batches:
                session.orders[request.batch] = draw_orders(self._network, session.rng)
            session.batches[request.batch] = images, layer
            session.running.add(request.batch)

    @contextmanager
    def _hidden(self, session: _Session, request: pb.LayerRequest) -> Iterator[_Hidden]:
        """Have the rows of a batch ready in the order that its hidden units have."""
        layer, places = request.layer, None
        key, rows = self._keys[layer], self._rows[layer]
        with session.lock:
            rng, orders = session.rng.spawn(1)[0], session.orders.get(request.batch)
        if orders is not None and layer < len(orders):
            places = np.argsort(orders[layer])
        if orders is None or layer == 0:
            yield _Hidden(key, rows, places, rng)
            return
        moved = with_inputs_in_order(self._network.layers[layer], orders[layer - 1])
        rows = encode_rows(moved.weights, self._links[layer].modulation_variance)
        key = f"{key} {secrets.token_hex(8)}"
        self._light.hold(key, rows)
        try:
            yield _Hidden(key, rows, places, rng)
        finally:
            self._forget(pb.Dropped(version=VERSION, keys=[key]))

    def _parts(self, session: _Session, request: pb.LayerRequest) -> Iterator[pb.Progress]:
        layer, finished = request.layer, False
        try:
            decoys = self._decoys(layer)
            images = request.images * self._patches[layer]
            plan = list(self._light.parts(self._rows[layer], decoys, images, request.checks))
            # Nothing is charged for a client that never gets ready for the light.
            self._light.await_optics(request.session, request.batch, layer)
            with self._hidden(session, request) as hidden:
                if plan[0].decoys is None:
                    yield from self._in_rows(session, request, plan, hidden)
                else:
                    hidden.decoys = decoy_rows(hidden.rows, decoys, hidden.rng)
                    self._light.expect(request, hidden.key, plan, hidden.decoys)
                    yield from self._whole(session, request, plan, hidden)
            finished = True
        except (RangeError, ProtocolError) as error:
            if isinstance(error, BudgetExhausted):
                error = ProtocolError(Refusal.RESOURCE_EXHAUSTED, str(error))
            elif isinstance(error, RangeError):
                error = ProtocolError(Refusal.FAILED_PRECONDITION, str(error))
            self._end(request.session, session, f"{error.refusal.value}: {error}", error)
            # The first refusal ends the session. Other batches of it then fail as a consequence,
            # so they report that first reason.
            known = (session.client, error.refusal, str(error))
            _, refusal, reason = self._refused.get(request.session, known)
            raise ProtocolError(refusal, reason) from None
        finally:
            with session.lock:
                session.running.discard(request.batch)
                session.left = time.monotonic()
                # An unfinished layer is not repeated: sending the same light again would cost more.
                done = layer + 1 if finished else len(self._rows)
                session.batches[request.batch] = request.images, done
                if done == len(self._rows):
                    session.orders.pop(request.batch, None)
                if finished and done == len(self._rows):
                    session.images += request.images
                    with self._guard:
                        self._images += request.images

    def _in_rows(
        self, session: _Session, request: pb.LayerRequest, plan: Sequence[Part], hidden: _Hidden
    ) -> Iterator[pb.Progress]:
        """Send parts that may be cut anywhere: as many rows at a time as the budget allows.

        Each decoy is sent with the row at its place.
        """
        number = itertools.count()
        rows, decoys = self._rows[request.layer].rows, self._decoys(request.layer)
        for part in plan:
            first = part.first
            while first < part.stop:
                self._require_accepted(session.client)
                place = Emission(session.epoch, request.batch, next(number))
                reserve = self._reserve(request, first, part.stop, place)
                own = [d for d in range(decoys) if first <= d * rows // decoys < reserve.stop]
                sent = Part(first, reserve.stop, tuple(own))
                try:
                    progress = self._part(session, request, place.part, sent, reserve, hidden)
                except ProtocolError:
                    self._settle(reserve)
                    raise
                yield progress
                first = reserve.stop

    def _whole(
        self, session: _Session, request: pb.LayerRequest, plan: Sequence[Part], hidden: _Hidden
    ) -> Iterator[pb.Progress]:
        """Send a layer whose parts cannot be cut.

        The layer is reserved in one step. Pauses for the ledger between the parts would show which
        parts hold weights. Raises `BudgetExhausted` unless the whole layer fits the budget.
        """
        rows = self._rows[request.layer].rows
        self._require_accepted(session.client)
        reserve = self._reserve(request, 0, rows)
        if reserve.stop < rows:
            raise BudgetExhausted(
                f"budget exhausted: {reserve.stop} of the {rows} rows of a layer fit, and this "
                "link sends whole layers; more is possible only if the owner raises the budget"
            )
        for number, part in enumerate(plan):
            last = number == len(plan) - 1
            yield self._part(session, request, number, part, reserve if last else None, hidden)

    def _reserve(
        self, request: pb.LayerRequest, first: int, stop: int, emission: Emission | None = None
    ) -> Reserve:
        """Reserve rows in the ledger. On return, the charge is on disk and the light may leave."""
        # Light for the client's checks carries the weights as well, so it is charged as well.
        repetitions = request.images * self._patches[request.layer] + request.checks
        patience = self._settings.patience
        return self._ledger.reserve(
            request.session, request.layer, first, stop, repetitions, patience, emission
        )

    def _part(
        self,
        session: _Session,
        request: pb.LayerRequest,
        number: int,
        part: Part,
        reserve: Reserve | None,
        hidden: _Hidden,
    ) -> pb.Progress:
        """Send and judge a part that is already reserved; commit `reserve` if it is accepted."""
        layer, first, stop = request.layer, part.first, part.stop
        assert part.decoys is not None
        self._require_accepted(session.client)
        repetitions = request.images * self._patches[layer] + request.checks
        names = np.concatenate([np.arange(first, stop), -1 - np.arange(len(part.decoys))])
        mixed = self._light.mixes
        order = Order.draw(names, repetitions, mixed, hidden.rng)
        weights, per_mode = self._light.send(
            pb.Shot(
                version=VERSION,
                session=request.session,
                batch=request.batch,
                layer=layer,
                part=number,
                images=repetitions,
                weights=hidden.key,
                first=first,
                stop=stop,
                order=order.to_bytes(),
                mixed=mixed,
                last=stop == self._rows[layer].rows,
                **hidden.of(part.decoys),
            )
        )
        monitor, client = session.monitor, session.client
        with monitor.lock:
            judgement = monitor.add(layer, weights, per_mode)
            evidence = monitor.record(layer)
            if judgement.verdict is Verdict.ABORT:
                self._ledger.refuse(client, judgement.reason, evidence)
                for i in range(len(self._rows)):
                    self._ledger.restate(request.session, i, monitor.channel(i))
            elif reserve is not None:
                self._ledger.commit(reserve, evidence, monitor.new_certificate(layer))
        if judgement.verdict is Verdict.ABORT:
            log.warning("client %s is refused: %s", client, judgement.reason)
            raise ProtocolError(Refusal.ABORTED, f"verification refused: {judgement.reason}")
        warning = judgement.verdict is Verdict.WARN
        if warning:
            log.warning("client %s: %s", client, judgement.reason)
        return pb.Progress(
            part=number,
            order=hidden.told(order).to_bytes(),
            mixed=mixed,
            warning=warning,
            reason=judgement.reason,
        )

    def _decoys(self, layer: int) -> int:
        """Return the number of decoys that a layer has, for each batch anew."""
        return math.ceil(self._settings.decoy_rate * self._rows[layer].rows)

    def _end(
        self,
        session_id: str,
        session: _Session,
        reason: str,
        refusal: ProtocolError | None = None,
    ) -> None:
        with self._guard:
            if self._sessions.pop(session_id, None) is None:
                return
            if refusal is not None:
                self._refused[session_id] = session.client, refusal.refusal, str(refusal)
                while len(self._refused) > MOST_SESSIONS:
                    del self._refused[next(iter(self._refused))]
        log.info("session %s of client %s ends: %s", session_id[:8], session.client, reason)
        if session.begun:
            self._ledger.end_session(session_id, reason)
        dropped = pb.Dropped(version=VERSION, session=session_id)
        dropped.reason = f"the session was ended: {reason}"
        if refusal is not None:
            # A client may hear from the link first, so the link gives the server's own reason.
            dropped.refusal, dropped.reason = refusal.refusal.name, str(refusal)
        if len(dropped.reason) > MOST_REASON:
            dropped.reason = dropped.reason[: MOST_REASON - 1] + "…"
        self._forget(dropped)

    def _forget(self, dropped: pb.Dropped) -> None:
        """Have the link forget a session."""
        try:
            self._light.drop(dropped)
        except ProtocolError as error:
            log.warning("the link did not drop session %s: %s", dropped.session[:8], error)

    def _expire(self) -> None:
        now = time.monotonic()
        for session_id, session in list(self._sessions.items()):
            if now - session.used > self._settings.idle and not session.running:
                self._end(session_id, session, "idle")


def disclosed_bits(layers: Sequence[EncodedRows]) -> float:
    """Return the bits that a session discloses of a network in addition to the light of its rows.

    They are each layer's scale, which is sent as 64 bits, and the moments that the decoys are drawn
    from. They are the same in every session.
    """
    return sum(64 + RowMoments.of(rows).bits for rows in layers)
