"""The device's end of the host link. Integer model of `gateware.host_link.endpoint`.

The device applies a request only if its sequence number is the next one. It keeps the responses to
the last `window` requests and answers a repeated request from them. If a request is missing, the
device answers the first packet after the gap with the missing number, and drops the packets that
follow. Every request is therefore applied once and in order, whatever the wire loses, repeats or
reorders. This holds as long as no packet is late by more than 255 − `window` requests, and no HELLO
of an earlier session is late.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shotveil.models.common.checks import RangeError, require
from shotveil.models.host_link.packet import (
    ADDRESSES,
    MAX_WORDS,
    REQUEST,
    CrcError,
    FrameError,
    Op,
    Request,
    Response,
    Status,
    from_frame,
    hello_word,
    to_frame,
)

LARGEST_WINDOW = 128  # half of the sequence numbers


class Inside(Protocol):
    """The registers and ports of the device that the link connects to."""

    def read(self, address: int) -> int:
        """The word of a register."""

    def write(self, address: int, word: int) -> None:
        """Write the word of a register."""

    def room(self, port: int) -> int:
        """Number of words that a write port can take."""

    def send(self, port: int, words: Sequence[int]) -> None:
        """Give words to a write port; there must be room for all of them."""

    def available(self, port: int) -> int:
        """Number of words that wait at a read port."""

    def receive(self, port: int, count: int) -> Sequence[int]:
        """Take `count` words from a read port; at least as many must wait there."""


def _counter(width: int) -> int:
    """A field of `Counters`, with the width that the counter has in gateware."""
    return field(default=0, metadata={"width": width})


@dataclass
class Counters:
    """Counts of packets by their outcome, with the names of the registers. They saturate."""

    link_bad_crc: int = _counter(16)  # dropped because of a wrong CRC
    link_bad_frame: int = _counter(16)  # dropped because the frame holds no packet
    link_repeated: int = _counter(16)  # repeated requests, answered again
    link_gap: int = _counter(16)  # dropped: an earlier request is missing, or no session is open
    link_accepted: int = _counter(32)  # requests in sequence, whether carried out or refused

    def count(self, name: str) -> None:
        """Count one more packet with the outcome `name`."""
        setattr(self, name, min(getattr(self, name) + 1, LARGEST[name]))


LARGEST = {entry.name: 2 ** entry.metadata["width"] - 1 for entry in dataclasses.fields(Counters)}


def require_shape(write_ports: int, read_ports: int, window: int) -> None:
    """Raise `RangeError` unless gateware can be built with these numbers."""
    require("write_ports", write_ports, at_least=1, at_most=16, integer=True)
    require("read_ports", read_ports, at_least=1, at_most=16, integer=True)
    require("window", window, at_least=2, at_most=LARGEST_WINDOW, integer=True)
    if window & (window - 1):
        raise RangeError(f"window = {window} is no power of two")


class EndpointModel:
    """The device's end of the link, which answers the host's bytes and acts on `inside`.

    `sessions_lost` counts the pulses of the gateware's output `fault`, `alive` those of `alive`.
    Raises `RangeError` for numbers of ports or a window that gateware cannot have.
    """

    def __init__(self, inside: Inside, write_ports: int, read_ports: int, window: int):
        require_shape(write_ports, read_ports, window)
        self._inside = inside
        self._write_ports = write_ports
        self._read_ports = read_ports
        self._window = window
        self._pending = bytearray()  # bytes of a frame that has not ended
        self._nonce: int | None = None  # nonce of the session; None before the first HELLO
        self._expected = 0
        self._stored: dict[int, bytes] = {}  # frames of responses by sequence number, in order
        self._told = False  # whether the host was told that there is a gap
        self._taken: list[int] = []  # by write port: words taken since HELLO, modulo 2^16
        self.counters = Counters()
        self.sessions_lost = 0
        self.alive = 0

    def feed(self, data: bytes) -> bytes:
        """Take any number of bytes from the host, and return the bytes that the device sends."""
        *frames, rest = data.split(b"\0")
        if frames:
            frames[0] = bytes(self._pending) + frames[0]
            self._pending.clear()
        self._pending += rest
        # Keep no more of an endless frame than shows that it is too long.
        del self._pending[4 * (MAX_WORDS + 8) :]
        return b"".join(self._answer(frame) for frame in frames if frame)

    def clear(self) -> None:
        """Set the counters to zero."""
        self.counters = Counters()

    def _answer(self, frame: bytes) -> bytes:
        try:
            request = Request.of(from_frame(frame, REQUEST.size))
        except CrcError:
            self.counters.count("link_bad_crc")
            return b""
        except FrameError:
            self.counters.count("link_bad_frame")
            return b""
        greeting = request.op == Op.HELLO and request.count == len(request.words) == 1
        if greeting and request.words[0] != self._nonce:
            self._open(request)
            return self._apply(
                request, Response(request.seq, request.op, Status.OK, 0, self._hello)
            )
        if self._nonce is not None:
            if request.seq in self._stored:
                self.counters.count("link_repeated")
                self.alive += 1
                return self._stored[request.seq]
            if request.seq == self._expected and not greeting:
                return self._apply(request, self._execute(request))
        self.counters.count("link_gap")
        if self._told:
            return b""
        self._told = True
        status = Status.NO_SESSION if self._nonce is None else Status.GAP
        return to_frame(Response(self._expected, request.op & 0x7F, status, 0).body())

    def _open(self, request: Request) -> None:
        self.sessions_lost += self._nonce is not None
        self._nonce = request.words[0]
        self._expected = request.seq
        self._stored.clear()
        self._taken = [0] * self._write_ports

    @property
    def _hello(self) -> tuple[int, ...]:
        assert self._nonce is not None
        return self._nonce, hello_word(self._window, self._write_ports, self._read_ports)

    def _apply(self, request: Request, response: Response) -> bytes:
        frame = to_frame(response.body())
        self._stored[request.seq] = frame
        if len(self._stored) > self._window:
            del self._stored[next(iter(self._stored))]
        self._expected = (request.seq + 1) % 256
        self._told = False
        self.counters.count("link_accepted")
        self.alive += 1
        return frame

    def _execute(self, request: Request) -> Response:
        op, target, count, words = request.op, request.target, request.count, request.words
        inside = self._inside
        status, credit = Status.OK, 0
        out: tuple[int, ...] = ()
        asks = not words and count <= MAX_WORDS
        if op == Op.READ and asks and target + count <= ADDRESSES:
            out = tuple(inside.read(target + k) for k in range(count))
        elif op == Op.WRITE and count == len(words) and target + count <= ADDRESSES:
            for k, word in enumerate(words):
                inside.write(target + k, word)
        elif op == Op.SEND and count == len(words) and target < self._write_ports:
            room = inside.room(target)
            credit = (self._taken[target] + room) % 65536
            if count <= room:
                inside.send(target, words)
                self._taken[target] = (self._taken[target] + count) % 65536
            else:
                status = Status.FULL
        elif op == Op.RECEIVE and asks and target < self._read_ports:
            available = inside.available(target)
            out = tuple(inside.receive(target, min(count, available)))
            credit = available - len(out)
        else:
            status = Status.REFUSED
        return Response(request.seq, op & 0x7F, status, credit, out)
