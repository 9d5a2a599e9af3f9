"""Packets of the host link: their format on the wire and their checks.

A packet is a header, up to `MAX_WORDS` words of 32 bits, and the CRC-32 of both. All numbers are
little endian. Each packet is carried by a COBS frame (`models.host_link.cobs`).

| request  | seq u8 | op u8        | target u16           | count u16  | words | CRC u32 |
|----------|--------|--------------|----------------------|------------|-------|---------|
| response | seq u8 | op + 0x80 u8 | status u8, 0 u8, credit u16 | count u16 | words | CRC u32 |

| op | target | count | words of the request | of the response | credit |
|---|---|---|---|---|---|
| HELLO | 0 | 1 | a nonce | the nonce, `hello_word` | 0 |
| READ | first register | registers | none | their values | 0 |
| WRITE | first register | registers | their values | none | 0 |
| SEND | write port | words | the words | none | see below |
| RECEIVE | read port | words at most | none | the words | words left at the port |

The credit of SEND is the number of words that the port has taken since HELLO, plus the number that
it has room for, modulo 2¹⁶. A SEND of no words asks for the credit only.
"""

from __future__ import annotations

import enum
import struct
import zlib
from dataclasses import dataclass

from shotveil.models.host_link import cobs
from shotveil.models.host_link.cobs import FrameError

PROTOCOL = 1  # version of the protocol; a host refuses a device with another version
MAX_WORDS = 256
WORD = 32  # bits of a word
ADDRESS_BITS = 12  # width of an address on the register bus
ADDRESSES = 1 << ADDRESS_BITS  # words of the register bus
CRC_BYTES = 4
BAUD = 3_000_000  # for every board with a UART link: a quarter of the 12 MHz that an FT2232 divides
REQUEST = struct.Struct("<BBHH")
RESPONSE = struct.Struct("<BBBxHH")
ANSWER = 0x80  # a response adds this to its request's op
WORDS = tuple(struct.Struct(f"<{n}I") for n in range(MAX_WORDS + 1))


class Op(enum.IntEnum):
    """The operation that a request asks for."""

    HELLO = 1
    READ = 2
    WRITE = 3
    SEND = 4
    RECEIVE = 5


class Status(enum.IntEnum):
    """The result of a request."""

    OK = 0
    REFUSED = 1  # the device has no such operation, register or port; nothing was done
    FULL = 2  # the port has no room for all words of a SEND; nothing was done
    GAP = 3  # the request with this response's sequence number is missing
    NO_SESSION = 4  # the device has had no HELLO since its reset


class CrcError(FrameError):
    """The error for a packet with a wrong CRC."""


@dataclass(frozen=True, slots=True)
class Request:
    """A packet from the host, with its `words`."""

    seq: int
    op: int
    target: int
    count: int
    words: tuple[int, ...] = ()

    def body(self) -> bytes:
        """Header and words, without CRC."""
        header = REQUEST.pack(self.seq, self.op, self.target, self.count)
        return header + WORDS[len(self.words)].pack(*self.words)

    @classmethod
    def of(cls, body: bytes) -> Request:
        """The request in `body`. Raises `FrameError` for a wrong length."""
        words = _words(body, REQUEST.size)
        seq, op, target, count = REQUEST.unpack_from(body)
        return cls(seq, op, target, count, words)


@dataclass(frozen=True, slots=True)
class Response:
    """A packet from the device, with its `words`; `op` is that of the request."""

    seq: int
    op: int
    status: int
    credit: int
    words: tuple[int, ...] = ()

    def body(self) -> bytes:
        """Header and words, without CRC."""
        count = len(self.words)
        header = RESPONSE.pack(self.seq, self.op | ANSWER, self.status, self.credit, count)
        return header + WORDS[count].pack(*self.words)

    @classmethod
    def of(cls, body: bytes) -> Response:
        """The response in `body`. Raises `FrameError` if `body` is not a response."""
        words = _words(body, RESPONSE.size)
        seq, op, status, credit, count = RESPONSE.unpack_from(body)
        if not op & ANSWER or count != len(words):
            raise FrameError(f"a packet with op {op:#x} and {len(words)} words is no response")
        return cls(seq, op & ~ANSWER, status, credit, words)


def hello_word(window: int, write_ports: int, read_ports: int) -> int:
    """A device's description of itself: version, window and numbers of ports, one byte each."""
    return PROTOCOL | window << 8 | write_ports << 16 | read_ports << 24


def to_frame(body: bytes) -> bytes:
    """The bytes of a packet on the wire: CRC appended, stuffed, and ended by the delimiter."""
    return cobs.encode(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")) + cobs.DELIMITER


def from_frame(frame: bytes, header: int) -> bytes:
    """Header and words of a packet from the bytes between two delimiters.

    `header` is the length of its header. Raises `FrameError` if no packet has that length, and its
    subclass `CrcError` if only the CRC is wrong.
    """
    packet = cobs.decode(frame)
    size = len(packet) - header - CRC_BYTES
    if size % 4 or not 0 <= size <= 4 * MAX_WORDS:
        raise FrameError(f"a packet of {len(packet)} bytes is none")
    body = packet[:-CRC_BYTES]
    if zlib.crc32(body).to_bytes(CRC_BYTES, "little") != packet[-CRC_BYTES:]:
        raise CrcError(f"a packet of {len(packet)} bytes has a wrong CRC")
    return body


def _words(body: bytes, header: int) -> tuple[int, ...]:
    count, rest = divmod(len(body) - header, 4)
    if rest or not 0 <= count <= MAX_WORDS:
        raise FrameError(f"{len(body)} bytes are no packet")
    return WORDS[count].unpack_from(body, header)
