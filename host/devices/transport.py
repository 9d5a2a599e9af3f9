"""The host's end of the link to a node: registers and ports over any pipe of bytes.

The pipe may lose, damage or repeat bytes; each request is still carried out once and in order
(`models.host_link.endpoint` is the other end). A limited number of requests, the window, is on the
way at a time. A request is sent again when the device reports that it is missing, when a later
request was answered first, and when no answer has come for some time.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import require
from shotveil.models.host_link.cobs import DELIMITER
from shotveil.models.host_link.packet import (
    ADDRESSES,
    MAX_WORDS,
    PROTOCOL,
    RESPONSE,
    FrameError,
    Op,
    Request,
    Response,
    Status,
    from_frame,
    to_frame,
)

WORD = 2**32 - 1
CREDITS = 2**16  # credit counts modulo this
QUERY_PAUSE = 1e-3  # seconds between two queries for room
SHORTEST_WAIT = 1e-4  # seconds; keeps rounding of the clock from making a wait zero
Words = npt.NDArray[np.uint32]


class LinkError(Exception):
    """The link failed; the subclasses say how."""


class LinkLost(LinkError):
    """The device no longer answers, or has forgotten this session."""


class Refused(LinkError):
    """The device has no such register, port or operation."""


class VersionMismatch(LinkError):
    """The device speaks another version of the protocol."""


class NoRoom(LinkError):
    """A write port took no words for longer than the caller was willing to wait."""


class BytePipe(Protocol):
    """A pipe of bytes in both directions, which may lose some.

    `read` and `write` raise `LinkLost` when the pipe breaks for good.
    """

    def read(self, most: int, timeout: float) -> bytes:
        """Return up to `most` bytes, or none if none came within `timeout` seconds."""

    def write(self, data: bytes) -> None:
        """Write all bytes."""

    def close(self) -> None:
        """Close the pipe."""


@dataclass
class Traffic:
    """Statistics of the link since it was opened."""

    requests: int = 0
    sent: int = 0  # packets, including those sent again
    bytes_out: int = 0
    bytes_in: int = 0
    bad: int = 0  # damaged frames from the device
    stale: int = 0  # answers to requests that were answered before
    gaps: int = 0  # number of times that the device missed a request
    timeouts: int = 0


class Pending:
    """A request on its way, and its answer once it has come."""

    __slots__ = ("answer", "frame", "nudged", "request")

    def __init__(self, request: Request, frame: bytes):
        self.request = request
        self.frame = frame
        self.answer: Response | None = None
        self.nudged = False  # whether it was sent again because a later one was answered


class Transport:
    """A session with the device at the other end of `pipe`; a context manager.

    timeout: Seconds without an answer after which all requests on the way are sent again. It has to
        be longer than a whole window takes.
    attempts: Number of such timeouts in a row after which `LinkLost` is raised.
    window: Most requests on the way, 1 to 128; the device's own window is an upper limit.
    nonce: Number of 32 bits that names the session; None draws it from the system's entropy.
        Successive sessions must have different nonces.
    clock: Function that returns the time in seconds.

    `feed`, `ask_read` and `ask_receive` do not wait for an answer; `result` waits for the answer of
    the last two. `send` returns when all packets are on their way. All other methods wait for their
    answer. The device carries out requests in the order of the calls. Methods raise `LinkLost`,
    `RangeError` for a port, an address, a count or a word out of range, and `Refused` for a
    register, port or operation that the device does not have. The constructor also raises
    `VersionMismatch`.
    """

    def __init__(
        self,
        pipe: BytePipe,
        *,
        timeout: float = 0.25,
        attempts: int = 12,
        window: int = 128,
        nonce: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        require("timeout", timeout, above=0)
        require("attempts", attempts, at_least=1, integer=True)
        require("window", window, at_least=1, at_most=128, integer=True)
        self._pipe = pipe
        self._timeout = timeout
        self._attempts = attempts
        self._clock = clock
        self._next = 0
        self._window = 1
        self._opened = False
        self._on_way: deque[Pending] = deque()  # sorted by number
        self._unsent: deque[Pending] = deque()
        self._received = bytearray()
        self._silent_since = clock()
        self._silences = 0
        self._limits: dict[int, int] = {}  # credit by write port
        self._given: dict[int, int] = {}  # words by write port
        self._queried: set[int] = set()  # write ports whose room was queried since the last words
        self.traffic = Traffic()

        nonce = secrets.randbits(32) if nonce is None else nonce
        require("nonce", nonce, at_least=0, at_most=WORD, integer=True)
        self._nonce = nonce
        pipe.write(DELIMITER)  # ends a frame that an earlier session may have left incomplete
        said = self._wait(self._submit(Op.HELLO, 0, 1, (nonce,))).words[1]
        version, theirs = said & 0xFF, said >> 8 & 0xFF
        if version != PROTOCOL:
            raise VersionMismatch(
                f"the device speaks version {version} of the link's protocol, this host version "
                f"{PROTOCOL}: load a bitstream of the same release as this package"
            )
        self._opened = True
        self._window = min(window, theirs)
        self.write_ports, self.read_ports = said >> 16 & 0xFF, said >> 24

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the requests on the way, unless the link is lost, and close the pipe."""
        try:
            self.flush()
        except LinkLost:
            pass
        finally:
            self._pipe.close()

    def read(self, address: int, count: int = 1) -> Words:
        """Return `count` words of registers from `address` on."""
        return self.result(self.ask_read(address, count))

    def ask_read(self, address: int, count: int = 1) -> Pending:
        """Ask for the words of `read` without waiting for them."""
        require("count", count, at_least=0, at_most=MAX_WORDS, integer=True)
        require("address", address, at_least=0, at_most=ADDRESSES - count, integer=True)
        return self._submit(Op.READ, address, count)

    def result(self, asked: Pending) -> Words:
        """Wait for an answer and return its words."""
        return _array(self._wait(asked).words)

    def write(self, address: int, words: npt.ArrayLike) -> None:
        """Write words to registers from `address` on."""
        given = _words(words)
        require("number of words", len(given), at_most=MAX_WORDS)
        require("address", address, at_least=0, at_most=ADDRESSES - len(given), integer=True)
        self._wait(self._submit(Op.WRITE, address, len(given), given.tolist()))
        # A register can close a port or empty what is behind it, so the room is asked for again.
        self._limits = {port: self._given.get(port, 0) for port in self._limits}
        self._queried.clear()

    def send(self, port: int, words: npt.ArrayLike, patience: float = 5.0) -> None:
        """Send words to a write port; wait for room, but not for the last answers.

        Raises `NoRoom` if the port takes nothing for `patience` seconds. Use `room` and `offer`
        instead to do something else meanwhile.
        """
        rest = _words(words)
        grown = self._clock()
        pause = 0.0
        while len(rest):
            taken = self._offer(port, rest, short=not self._on_way)
            rest = rest[taken:]
            if taken:
                grown, pause = self._clock(), 0.0
            elif self._on_way:
                self._pump()
            elif self._clock() - grown > patience:
                raise NoRoom(
                    f"write port {port} has no room for {len(rest)} words since {patience:g} s"
                )
            elif not self.room(port):
                self._receive(pause)
                pause = QUERY_PAUSE

    def offer(self, port: int, words: npt.ArrayLike) -> int:
        """Send as many words, from the first, as a write port has room for; return how many."""
        given = _words(words)
        if self._credit(port) < len(given):
            self.room(port)
        sent = 0
        while taken := self._offer(port, given[sent:], short=True):
            sent += taken
        return sent

    def feed(self, port: int, words: npt.ArrayLike) -> int:
        """Send as many words as a write port is known to have room for; return how many.

        This method is meant to be called repeatedly. It never waits for an answer, only for a place
        in the window. If there is no room for a whole packet, it queries the room; if the answer
        reports no more, it sends a shorter packet. This matters for a device that has less room
        than a packet and waits for the rest of its words.
        """
        given = _words(words)
        expects = self._expects_credit(port)
        sent = self._offer(port, given, short=not expects and port in self._queried)
        while sent and (taken := self._offer(port, given[sent:])):
            sent += taken
        if len(given) and not sent and not expects:
            self._queried.add(port)
            self._submit(Op.SEND, port, 0)
        return sent

    def room(self, port: int) -> int:
        """Return how many words a write port has room for, as the device answers."""
        require("write port", port, at_least=0, below=self.write_ports, integer=True)
        self._wait(self._submit(Op.SEND, port, 0))
        return self._credit(port)

    def receive(self, port: int, count: int) -> Words:
        """Take the words that wait at a read port, at most `count`."""
        require("count", count, at_least=0, integer=True)
        asked = [
            self.ask_receive(port, min(MAX_WORDS, count - start))
            for start in range(0, count, MAX_WORDS)
        ]
        return _array(word for pending in asked for word in self._wait(pending).words)

    def ask_receive(self, port: int, count: int) -> Pending:
        """Ask for words that wait at a read port, at most one packet, without waiting for them."""
        require("read port", port, at_least=0, below=self.read_ports, integer=True)
        require("count", count, at_least=0, at_most=MAX_WORDS, integer=True)
        return self._submit(Op.RECEIVE, port, count)

    def available(self, port: int) -> int:
        """Return how many words wait at a read port, as the device answers."""
        require("read port", port, at_least=0, below=self.read_ports, integer=True)
        return self._wait(self._submit(Op.RECEIVE, port, 0)).credit

    def ping(self) -> None:
        """Send an empty request, which keeps the device's watchdog from firing."""
        self._wait(self._submit(Op.READ, 0, 0))

    def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until something comes from the device."""
        require("seconds", seconds, at_least=0)
        if self._on_way:
            self._pump()
        else:
            self._receive(seconds)

    def flush(self) -> None:
        """Wait until everything that was sent has been taken."""
        while self._on_way or self._unsent:
            self._pump()

    def _credit(self, port: int) -> int:
        """Return how many words a write port is known to have room for."""
        return (self._limits.get(port, 0) - self._given.get(port, 0)) % CREDITS

    def _offer(self, port: int, words: Words, short: bool = False) -> int:
        """Send one packet of words if the port has credit; return how many words it held.

        short: Whether the packet may hold fewer words than are given and fit into a packet.
        """
        require("write port", port, at_least=0, below=self.write_ports, integer=True)
        count = min(MAX_WORDS, len(words))
        credit = self._credit(port)
        if credit < count and not short:
            return 0
        count = min(count, credit)
        if count:
            self._queried.discard(port)
            self._submit(Op.SEND, port, count, words[:count].tolist())
            self._given[port] = (self._given.get(port, 0) + count) % CREDITS
        return count

    def _expects_credit(self, port: int) -> bool:
        """Return whether an answer that reports a port's room is on its way."""
        return any(p.request.op == Op.SEND and p.request.target == port for p in self._on_way)

    def _submit(self, op: Op, target: int, count: int, words: Sequence[int] = ()) -> Pending:
        """Put a request on its way; wait while the window is full."""
        while len(self._on_way) + len(self._unsent) >= self._window:
            self._pump()
        request = Request(self._next, op, target, count, tuple(words))
        pending = Pending(request, to_frame(request.body()))
        self._next = (self._next + 1) % 256
        self.traffic.requests += 1
        if not self._on_way:
            self._silent_since = self._clock()
            self._silences = 0
        self._on_way.append(pending)
        self._unsent.append(pending)
        self._transmit()
        return pending

    def _wait(self, pending: Pending) -> Response:
        """Wait for the answer to a request and return it."""
        while pending.answer is None:
            self._pump()
        return pending.answer

    def _transmit(self) -> None:
        """Write the packets that are due; read between them, so that neither end's buffer fills."""
        while self._unsent:
            pending = self._unsent.popleft()
            if pending.answer is not None:
                continue
            self._pipe.write(pending.frame)
            self.traffic.sent += 1
            self.traffic.bytes_out += len(pending.frame)
            if self._unsent:
                self._receive(0.0)

    def _pump(self) -> None:
        """Wait for something from the device, and send again the requests that need it."""
        left = self._silent_since + self._timeout - self._clock()
        self._receive(max(left, SHORTEST_WAIT))
        if self._on_way and self._clock() >= self._silent_since + self._timeout:
            self._silent_since = self._clock()
            self._silences += 1
            self.traffic.timeouts += 1
            if self._silences >= self._attempts:
                raise LinkLost(
                    f"no answer from the device after {self._silences} attempts of "
                    f"{self._timeout:g} s"
                )
            self._unsent = deque(self._on_way)
            for pending in self._on_way:
                pending.nudged = False
        self._transmit()

    def _receive(self, timeout: float) -> None:
        data = self._pipe.read(1 << 16, timeout)
        self.traffic.bytes_in += len(data)
        *frames, rest = data.split(DELIMITER)
        for frame in frames:
            if self._received:
                frame = bytes(self._received) + frame
                self._received.clear()
            if frame:
                self._take(frame)
        self._received += rest
        del self._received[1 << 16 :]  # without a delimiter, no frame can be this long

    def _take(self, frame: bytes) -> None:
        """Match a response with its request."""
        try:
            response = Response.of(from_frame(frame, RESPONSE.size))
        except FrameError:
            self.traffic.bad += 1
            return
        if not self._on_way:
            self.traffic.stale += 1
            return
        place = (response.seq - self._on_way[0].request.seq) % 256
        if response.status == Status.NO_SESSION and self._opened:
            raise LinkLost("the device was reset: open it again")
        if response.status == Status.GAP and place < len(self._on_way):
            self.traffic.gaps += 1
            behind = list(self._on_way)[place:]
            self._unsent = deque([p for p in self._unsent if p not in behind] + behind)
            return
        try:
            answers = place < len(self._on_way) and self._answers(self._on_way[place], response)
        except Refused:
            # The device has dealt with the request, so later calls do not meet its refusal again.
            self._answered(place, response)
            raise
        if not answers:
            self.traffic.stale += 1
            return
        self._answered(place, response)

    def _answered(self, place: int, response: Response) -> None:
        """Take a response for the request at a place among those on their way."""
        self._on_way[place].answer = response
        self._silent_since = self._clock()
        self._silences = 0
        self._credit_from(self._on_way[place].request, response)
        # The device answers in order, so answers to earlier requests that are missing were lost.
        for pending in islice(self._on_way, place):
            if pending.answer is None and not pending.nudged:
                pending.nudged = True
                self._unsent.append(pending)
        while self._on_way and self._on_way[0].answer is not None:
            self._on_way.popleft()

    def _answers(self, pending: Pending, response: Response) -> bool:
        """Return whether a response belongs to a request. Raises `Refused` if it is a refusal."""
        request = pending.request
        if pending.answer is not None or response.op != request.op:
            return False
        if request.op == Op.HELLO:
            return len(response.words) == 2 and response.words[0] == self._nonce
        if response.status == Status.OK:
            return (
                len(response.words) == request.count
                if request.op == Op.READ
                else len(response.words) <= (request.count if request.op == Op.RECEIVE else 0)
            )
        raise Refused(
            f"the device refused {Op(request.op).name} of {request.count} words at "
            f"{request.target} with status {response.status}"
        )

    def _credit_from(self, request: Request, response: Response) -> None:
        """Store the limit in an answer, unless a later answer already reported a higher one."""
        if request.op != Op.SEND:
            return
        limit = self._limits.get(request.target)
        if limit is None or (response.credit - limit) % CREDITS < CREDITS // 2:
            self._limits[request.target] = response.credit


def _words(words: npt.ArrayLike) -> Words:
    """Return words in one dimension. Raises `RangeError` for values beyond 32 bits."""
    given = np.atleast_1d(np.asarray(words))
    if given.dtype != np.uint32:
        require("words", given, at_least=0, at_most=WORD, integer=True)
    return given.ravel().astype(np.uint32, copy=False)


def _array(words: Iterable[int]) -> Words:
    return np.array(list(words), dtype=np.uint32)
