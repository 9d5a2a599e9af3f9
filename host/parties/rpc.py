"""The parties over gRPC, with TLS certificates on both sides, bounded messages and deadlines.

This file uses no generated stubs but parses requests itself, so that a malformed request is refused
and logged like any other, before anything acts on it. The name and role of a peer are those in its
certificate.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import grpc.experimental
from google.protobuf.message import DecodeError, Message

from shotveil.host.parties.address import require_address, why_not_free, why_unreachable
from shotveil.host.parties.keys import CLIENT, LINK, SERVER, role_name
from shotveil.host.parties.optical_link import MOST_WAITING, SimulatedLink
from shotveil.host.parties.receipts import require_signed
from shotveil.host.parties.server import ModelServer
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import (
    MOST_BYTES,
    MOST_REASON,
    VERSION,
    ProtocolError,
    Refusal,
    check_version,
)
from shotveil.models.common.text import one_line

log = logging.getLogger("shotveil.rpc")

MODEL, SERVER_PORT, CLIENT_PORT = (
    f"shotveil.v1.{name}" for name in ("Model", "ServerPort", "ClientPort")
)
SHORT, LONG = 30.0, 300.0  # deadlines in seconds: for a single answer, and for a layer
EPOCH = "shotveil-epoch"  # the metadata that names a server's hold of a link
OPENS = 60  # sessions that a client may begin at once, and
OPEN_SECONDS = 0.5  # after how many seconds it may begin one more
WORKERS = 64  # every layer on its way takes one worker at the server and two at the link

M = TypeVar("M", bound=Message)
refused: Counter[str] = Counter()  # how often this process gave each gRPC status to a peer
Registrar = Callable[[Any], None]  # adds a service to a gRPC server
Keys = tuple[bytes, bytes, bytes]  # as `host.parties.keys.read_keys` returns them

_OPTIONS = [
    ("grpc.max_receive_message_length", MOST_BYTES),
    ("grpc.max_send_message_length", MOST_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A party that was restarted is found again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Parties reach each other directly; gRPC would otherwise ask the proxy of http_proxy.
    ("grpc.enable_http_proxy", 0),
]
_SERVER_OPTIONS = [
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_concurrent_streams", 2 * WORKERS),
    # Two servers on one port would share its clients at random.
    ("grpc.so_reuseport", 0),
]


@dataclass(frozen=True)
class Peer:
    """The party at the other end, as its certificate says: its role and, for a client, its name.

    epoch: Under which hold of a link a server asks; "" for none.
    certificate: Its certificate, as PEM.
    gone: Is set when the call has ended, in whatever way.
    """

    role: str
    name: str
    epoch: str = ""
    certificate: bytes = b""
    gone: threading.Event = field(default_factory=threading.Event)


# Serving.


def serve_model(
    server: ModelServer,
    address: str,
    keys: Keys,
    also: Sequence[Registrar] = (),
    revoked: Callable[[bytes], bool] = lambda certificate: False,
) -> tuple[grpc.Server, int]:
    """Start to answer clients at `address`, HOST:PORT; return the gRPC server and its port.

    also: Functions that add further services before the gRPC server begins.
    revoked: Function that says of a client's certificate whether it was revoked.

    Port 0 takes any free port. Raises `OSError` where the address cannot be listened on.
    """
    opens = _Rate(OPENS, OPEN_SECONDS)

    def admitted(peer: Peer) -> str:
        if revoked(peer.certificate):
            raise ProtocolError(
                Refusal.PERMISSION_DENIED, f"the certificate of client {peer.name} was revoked"
            )
        return peer.name

    def begin(hello: pb.Hello, peer: Peer) -> pb.Welcome:
        name = admitted(peer)
        opens.require(name)
        return server.open(hello, name)

    methods = {
        "Open": _unary(pb.Hello, CLIENT, begin),
        "RunLayer": _stream(
            pb.LayerRequest, CLIENT, lambda m, peer: server.run_layer(m, admitted(peer))
        ),
        "Close": _unary(pb.Goodbye, CLIENT, lambda m, peer: server.close(m, admitted(peer))),
    }
    return _serve({MODEL: methods}, address, keys, also=also)


def serve_link(link: SimulatedLink, address: str, keys: Keys) -> tuple[grpc.Server, int]:
    """Start both ends of a simulated link at `address`, HOST:PORT, as `serve_model` does."""
    holder = _Holder(link)

    def held(answer: Callable[[Any], Any]) -> Callable[[Any, Peer], Any]:
        def checked(message: Any, peer: Peer) -> Any:
            holder.require(peer.epoch)
            return answer(message)

        return checked

    return _serve(
        {
            SERVER_PORT: {
                "Claim": _stream(pb.Hold, SERVER, lambda m, peer: holder.hold(m, peer.gone)),
                "Load": _collect(pb.Emission, SERVER, held(link.load)),
                "Emit": _unary(pb.Shot, SERVER, held(link.emit)),
                "Send": _exchange(pb.Light, SERVER, held(link.send)),
                "Drop": _unary(pb.Dropped, SERVER, held(link.drop)),
                "Begin": _unary(pb.Announcement, SERVER, held(link.begin)),
                "Await": _unary(pb.Light, SERVER, held(link.await_optics)),
                "State": _unary(pb.Light, SERVER, held(link.state)),
            },
            CLIENT_PORT: {
                "Measure": _stream(pb.Settings, CLIENT, lambda m, peer: link.measure(m, peer.name)),
            },
        },
        address,
        keys,
        MOST_WAITING + 2 * WORKERS,
    )


class _Holder:
    """Which server holds a link: the one whose call of Claim is still open, and no other."""

    def __init__(self, link: SimulatedLink) -> None:
        self._link = link
        self._guard = threading.Lock()
        self._epoch = ""

    def hold(self, hold: pb.Hold, gone: threading.Event) -> Iterator[pb.Loaded]:
        """Let a server hold the link until its call is `gone`. Raises `ProtocolError`."""
        check_version(hold)
        with self._guard:
            if self._epoch:
                raise ProtocolError(
                    Refusal.ALREADY_EXISTS, "another server holds the link; allowed: one at a time"
                )
            held = self._link.claim()
            self._epoch = held.epoch

        def until_gone() -> Iterator[pb.Loaded]:
            try:
                yield held
                gone.wait()
            finally:
                with self._guard:
                    self._epoch = ""

        return until_gone()

    def require(self, epoch: str) -> None:
        """Raise `ProtocolError` NOT_FOUND unless a call is of the server that holds the link."""
        if not epoch or epoch != self._epoch:
            raise ProtocolError(Refusal.NOT_FOUND, "the link began anew and holds no rows")


def _serve(
    services: dict[str, dict[str, Any]],
    address: str,
    keys: Keys,
    workers: int = WORKERS,
    also: Sequence[Registrar] = (),
) -> tuple[Any, int]:
    authority, certificate, key = keys
    credentials = grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=authority, require_client_auth=True
    )
    server = grpc.server(ThreadPoolExecutor(workers), options=_OPTIONS + _SERVER_OPTIONS)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items()]
    )
    for add in also:
        add(server)
    require_address(address)
    try:
        port = server.add_secure_port(address, credentials)
    except RuntimeError:
        port = 0
    if not port:
        raise OSError(f"address {address} cannot be listened on: {why_not_free(address)}")
    server.start()
    return server, port


def _unary(kind: type[M], role: str, answer: Callable[[M, Peer], Message]) -> Any:
    def handle(data: bytes, context: Any) -> Message:
        return _guarded(context, lambda: answer(_parse(kind, data), _peer(context, role)))

    return grpc.unary_unary_rpc_method_handler(handle, None, _bytes_of)


def _collect(kind: type[M], role: str, answer: Callable[[Iterable[M], Peer], Message]) -> Any:
    def handle(stream: Iterator[bytes], context: Any) -> Message:
        def run() -> Message:
            peer = _peer(context, role)
            return answer((_parse(kind, data) for data in stream), peer)

        return _guarded(context, run)

    return grpc.stream_unary_rpc_method_handler(handle, None, _bytes_of)


def _stream(kind: type[M], role: str, answer: Callable[[M, Peer], Iterator[Message]]) -> Any:
    def handle(data: bytes, context: Any) -> Iterator[Message]:
        return _each(context, lambda: answer(_parse(kind, data), _peer(context, role)))

    return grpc.unary_stream_rpc_method_handler(handle, None, _bytes_of)


def _exchange(
    kind: type[M], role: str, answer: Callable[[Iterator[M], Peer], Iterator[Message]]
) -> Any:
    def handle(stream: Iterator[bytes], context: Any) -> Iterator[Message]:
        def run() -> Iterator[Message]:
            peer = _peer(context, role)
            return answer((_parse(kind, data) for data in stream), peer)

        return _each(context, run)

    return grpc.stream_stream_rpc_method_handler(handle, None, _bytes_of)


def _each(context: Any, run: Callable[[], Iterator[Message]]) -> Iterator[Message]:
    """Yield the answers one by one; a refusal at any of them becomes a gRPC status."""
    answers = _guarded(context, run)
    end = object()
    try:
        while (item := _guarded(context, lambda: next(answers, end))) is not end:
            yield item
    finally:
        close = getattr(answers, "close", None)
        if close is not None:  # the peer may have vanished; the generator has to clean up
            close()


def _guarded(context: Any, run: Callable[[], Any]) -> Any:
    """Turn a refusal into a gRPC status.

    An unforeseen error is logged with its traceback, and its details are not sent to the peer.
    """
    try:
        return run()
    except ProtocolError as error:
        refused[error.refusal.value] += 1
        _REFUSALS.note(_name(context), str(error))
        context.abort(grpc.StatusCode[error.refusal.value], str(error))
    except Exception as error:
        _REFUSALS.note(_name(context), f"its request failed: {error!r}", error)
        context.abort(grpc.StatusCode.INTERNAL, "the request failed; see the log")


def _name(context: Any) -> str:
    names = context.auth_context().get("x509_common_name", [])
    return names[0].decode(errors="replace") if len(names) == 1 else "nobody"


class _Rate:
    """Bounds how often each client may begin a session, as every one costs two events on disk.

    most: How many it may begin at once.
    seconds: After how many seconds it may begin one more.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._guard = threading.Lock()
        self._of: dict[str, tuple[float, float]] = {}  # how many are left, and when that was so

    def require(self, name: str) -> None:
        """Count a session of a client. Raises `ProtocolError` if it may not begin another now."""
        with self._guard:
            now = time.monotonic()
            left, since = self._of.get(name, (float(self._most), now))
            left = min(float(self._most), left + (now - since) / self._seconds)
            self._of[name] = left - (left >= 1), now
        if left < 1:
            raise ProtocolError(
                Refusal.RESOURCE_EXHAUSTED,
                f"client {name} began {self._most} sessions in short order; allowed: one more "
                f"every {self._seconds:g} s",
            )


class _Refusals:
    """Writes refusals to the log, each with its client, and of each client only so many a minute.

    What is left out is counted, and told with the next line, so nobody can fill the disk.
    """

    def __init__(self, most: int = 50, seconds: float = 60.0) -> None:
        self._most, self._seconds = most, seconds
        self._guard = threading.Lock()
        self._of: dict[str, tuple[float, int]] = {}  # since when, and how many

    def note(self, name: str, text: str, error: Exception | None = None) -> None:
        with self._guard:
            now = time.monotonic()
            since, count = self._of.get(name, (now, 0))
            left_out = 0
            if now - since > self._seconds:
                left_out, since, count = max(0, count - self._most), now, 0
            self._of[name] = since, count + 1
        if left_out:
            log.warning("refused %s %d times more", name, left_out)
        if count < self._most:
            short = text if len(text) <= 300 else text[:299] + "…"
            log.warning("refused %s: %s", name, short, exc_info=error)


_REFUSALS = _Refusals()


def _parse(kind: type[M], data: bytes) -> M:
    try:
        return kind.FromString(data)
    except DecodeError:
        raise ProtocolError(
            Refusal.INVALID_ARGUMENT, f"{len(data)} bytes are no {kind.__name__}"
        ) from None


def _bytes_of(message: Message) -> bytes:
    return message.SerializeToString()


def _peer(context: Any, role: str) -> Peer:
    names = context.auth_context().get("x509_common_name", [])
    found, _, name = (names[0].decode() if len(names) == 1 else "").partition(":")
    if found != role:
        raise ProtocolError(
            Refusal.PERMISSION_DENIED, f"certificate is of a {found or 'nobody'}, not of a {role}"
        )
    sent = dict(context.invocation_metadata())
    (certificate,) = context.auth_context()["x509_pem_cert"]
    peer = Peer(found, name or found, str(sent.get(EPOCH, "")), certificate)
    if not context.add_callback(peer.gone.set):
        peer.gone.set()
    return peer


# Asking.

# Whoever asks reads the answers itself, which takes half the processor time of gRPC's own thread.
_READ_BY_CALLER = ((grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),)


class _Connection:
    """A connection to the party of a role at HOST:PORT.

    The constructor waits up to `patience` seconds for an answer, else raises `ProtocolError`.
    """

    _options: tuple[tuple[str, Any], ...] = ()

    def __init__(self, address: str, role: str, keys: Keys, patience: float = 10.0) -> None:
        require_address(address)
        authority, certificate, key = keys
        credentials = grpc.ssl_channel_credentials(authority, key, certificate)
        options = [*_OPTIONS, ("grpc.ssl_target_name_override", role_name(role)), *self._options]
        self._channel = grpc.secure_channel(address, credentials, options)
        self._to = f"{role} at {address}"
        try:
            grpc.channel_ready_future(self._channel).result(timeout=patience)
        except grpc.FutureTimeoutError:
            self._channel.close()
            raise ProtocolError(
                Refusal.UNAVAILABLE,
                f"no {self._to} answered within {patience:g} s; {why_unreachable(address)}",
            ) from None

    def hang_up(self) -> None:
        """Close the connection. The session stays open."""
        self._channel.close()

    _metadata: tuple[tuple[str, str], ...] = ()  # that goes with every call

    def _ask(self, method: str, kind: type[M], request: Message, deadline: float = SHORT) -> M:
        call = self._channel.unary_unary(f"/{method}", _bytes_of, kind.FromString)
        return self._translated(lambda: call(request, timeout=deadline, metadata=self._metadata))

    def _send(self, method: str, kind: type[M], requests: Iterable[Message]) -> M:
        call = self._channel.stream_unary(f"/{method}", _bytes_of, kind.FromString)
        return self._translated(lambda: call(iter(requests), timeout=LONG, metadata=self._metadata))

    def _receive(
        self, method: str, kind: type[M], request: Message, deadline: float | None = LONG
    ) -> Iterator[M]:
        call = self._channel.unary_stream(f"/{method}", _bytes_of, kind.FromString)
        return self._items(lambda: call(request, timeout=deadline, metadata=self._metadata))

    def _both_ways(self, method: str, kind: type[M], requests: Iterable[Message]) -> Iterator[M]:
        call = self._channel.stream_stream(f"/{method}", _bytes_of, kind.FromString)
        return self._items(lambda: call(iter(requests), timeout=LONG, metadata=self._metadata))

    def _items(self, call: Callable[[], Any]) -> Iterator[Any]:
        # The call begins here, not at the first `next`.
        answers = self._translated(call)

        def items() -> Iterator[Any]:
            end = object()
            try:
                while (item := self._translated(lambda: next(answers, end))) is not end:
                    yield item
            finally:
                answers.cancel()

        return items()

    def _translated(self, run: Callable[[], Any]) -> Any:
        try:
            return run()
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
            known = code.name in Refusal.__members__
            refusal = Refusal[code.name] if known else Refusal.UNAVAILABLE
            said = one_line(details or code.name)[:MOST_REASON]
            raise ProtocolError(refusal, f"{self._to}: {said}") from None


class RemoteModel(_Connection):
    """The client's end of the classical channel over gRPC.

    deadline: Seconds that a layer may take. A failed call raises `ProtocolError`.
    """

    _options = _READ_BY_CALLER

    def __init__(
        self, address: str, keys: Keys, patience: float = 10.0, deadline: float = LONG
    ) -> None:
        super().__init__(address, SERVER, keys, patience)
        self._deadline = deadline

    def open(self, hello: pb.Hello) -> pb.Welcome:
        return self._ask(f"{MODEL}/Open", pb.Welcome, hello, LONG)

    def run_layer(self, request: pb.LayerRequest) -> Iterator[pb.Progress]:
        return self._receive(f"{MODEL}/RunLayer", pb.Progress, request, self._deadline)

    def close(self, goodbye: pb.Goodbye) -> pb.Receipt:
        return self._ask(f"{MODEL}/Close", pb.Receipt, goodbye)


class RemoteServerPort(_Connection):
    """The server's end of the optical link over gRPC. A failed call raises `ProtocolError`.

    It holds the link from `claim` on until it hangs up or its process ends.
    """

    def __init__(self, address: str, keys: Keys, patience: float = 10.0) -> None:
        super().__init__(address, LINK, keys, patience)
        self._authority = keys[0]
        self._hold: Iterator[pb.Loaded] = iter(())

    def claim(self) -> pb.Loaded:
        self._hold = self._receive(
            f"{SERVER_PORT}/Claim", pb.Loaded, pb.Hold(version=VERSION), None
        )
        held = next(self._hold, None)
        if held is None:
            raise ProtocolError(Refusal.UNAVAILABLE, f"{self._to} ended the hold")
        self._metadata = ((EPOCH, held.epoch),)
        return held

    def begin(self, announcement: pb.Announcement) -> pb.Loaded:
        return self._ask(f"{SERVER_PORT}/Begin", pb.Loaded, announcement)

    def await_optics(self, light: pb.Light) -> pb.Loaded:
        return self._ask(f"{SERVER_PORT}/Await", pb.Loaded, light)

    def state(self, light: pb.Light) -> pb.Statement:
        statement = self._ask(f"{SERVER_PORT}/State", pb.Statement, light)
        require_signed(statement, self._authority)
        return statement

    def load(self, emissions: Iterable[pb.Emission]) -> pb.Loaded:
        return self._send(f"{SERVER_PORT}/Load", pb.Loaded, emissions)

    def emit(self, shot: pb.Shot) -> pb.Returned:
        return self._ask(f"{SERVER_PORT}/Emit", pb.Returned, shot, LONG)

    def send(self, lights: Iterable[pb.Light]) -> Iterator[pb.Record]:
        return self._both_ways(f"{SERVER_PORT}/Send", pb.Record, lights)

    def drop(self, dropped: pb.Dropped) -> pb.Loaded:
        return self._ask(f"{SERVER_PORT}/Drop", pb.Loaded, dropped)


class RemoteClientPort(_Connection):
    """The client's end of the optical link over gRPC. A failed call raises `ProtocolError`."""

    _options = _READ_BY_CALLER

    def __init__(self, address: str, keys: Keys, patience: float = 10.0) -> None:
        super().__init__(address, LINK, keys, patience)

    def measure(self, settings: pb.Settings) -> Iterator[pb.Reading]:
        return self._receive(f"{CLIENT_PORT}/Measure", pb.Reading, settings)
