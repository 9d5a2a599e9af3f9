"""Packets of the host link: what is on the wire, and what must hold of it.

A packet is a header, up to `MAX_WORDS` words of 32 bits, and the CRC-32 of both; all numbers are
little endian. A COBS frame carries it (`models.host_link.cobs`).

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

The credit of SEND is how many words the port could take in all since HELLO, modulo 2¹⁶: those it
took, and those it has room for. A SEND of no words asks for it.
"""

from __future__ import annotations

import enum
import struct
import zlib
from dataclasses import dataclass

from shotveil.models.host_link import cobs
from shotveil.models.host_link.cobs import FrameError

PROTOCOL = 1  # version; a host refuses a device with another
MAX_WORDS = 256
WORD = 32  # bits of a word
ADDRESS_BITS = 12  # of the register bus
ADDRESSES = 1 << ADDRESS_BITS  # words of the register bus
CRC_BYTES = 4
BAUD = 3_000_000  # of every board whose link is a UART: a quarter of the 12 MHz that FT2232 divide
REQUEST = struct.Struct("<BBHH")
RESPONSE = struct.Struct("<BBBxHH")
ANSWER = 0x80  # what a response adds to its request's op
WORDS = tuple(struct.Struct(f"<{n}I") for n in range(MAX_WORDS + 1))


class Op(enum.IntEnum):
    """What a request asks for."""

    HELLO = 1
    READ = 2
    WRITE = 3
    SEND = 4
    RECEIVE = 5


class Status(enum.IntEnum):
    """How a request went."""

    OK = 0
    REFUSED = 1  # the device has no such operation, register or port; nothing was done
    FULL = 2  # a SEND without room for all of its words; nothing was done
    GAP = 3  # a request is missing: the one with this response's number
    NO_SESSION = 4  # no HELLO since the device's reset


class CrcError(FrameError):
    """A packet whose CRC does not hold."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the host asks; `words` go with it."""

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
        """The request with this header and these words. Raises `FrameError` for a wrong length."""
        words = _words(body, REQUEST.size)
        seq, op, target, count = REQUEST.unpack_from(body)
        return cls(seq, op, target, count, words)


@dataclass(frozen=True, slots=True)
class Response:
    """What the device answers; `op` is the request's."""

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
        """The response with this header and these words. Raises `FrameError` if it is none."""
        words = _words(body, RESPONSE.size)
        seq, op, status, credit, count = RESPONSE.unpack_from(body)
        if not op & ANSWER or count != len(words):
            raise FrameError(f"a packet with op {op:#x} and {len(words)} words is no response")
        return cls(seq, op & ~ANSWER, status, credit, words)


def hello_word(window: int, write_ports: int, read_ports: int) -> int:
    """What a device says of itself: version, window and numbers of ports, a byte each."""
    return PROTOCOL | window << 8 | write_ports << 16 | read_ports << 24


def to_frame(body: bytes) -> bytes:
    """A packet on the wire: with CRC, stuffed, and its delimiter."""
    return cobs.encode(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")) + cobs.DELIMITER


def from_frame(frame: bytes, header: int) -> bytes:
    """Header and words of a packet from the bytes between two delimiters.

    `header` is the length of its header. Raises `FrameError` where the length is none that a packet
    can have, and `CrcError`, which is one too, where only the CRC is wrong.
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
