"""Frames in a stream of bytes: consistent overhead byte stuffing, with 0x00 between frames.

Integer model of `gateware.host_link.cobs`.

A frame is cut into blocks that end where a zero was. Each block is sent behind a byte that is one
more than its length, without the zero; a block of 254 bytes, which no zero ended, gets 0xFF. So a
zero on the wire is always the end of a frame, and a receiver that lost its place finds it there.
S. Cheshire and M. Baker, IEEE/ACM Trans. Netw. 7, 159 (1999).
"""

from __future__ import annotations

LONGEST = 254  # bytes of a block
DELIMITER = b"\0"
CODES = [bytes([length + 1]) for length in range(LONGEST)]


class FrameError(ValueError):
    """A frame that is cut, damaged, or of a length that no packet has."""


def encode(data: bytes) -> bytes:
    """A frame with these bytes, without the delimiter that has to follow it."""
    blocks = data.split(b"\0")
    if max(map(len, blocks)) < LONGEST:
        return b"".join([CODES[len(block)] + block for block in blocks])
    out = bytearray()
    final = len(blocks) - 1
    for number, block in enumerate(blocks):
        position = 0
        while len(block) - position >= LONGEST:
            out.append(LONGEST + 1)
            out += block[position : position + LONGEST]
            position += LONGEST
        # No zero ends the last block, so a full one needs nothing behind it.
        if position < len(block) or number < final or not position:
            out.append(len(block) - position + 1)
            out += block[position:]
    return bytes(out)


def decode(frame: bytes) -> bytes:
    """The bytes in a frame, which comes without its delimiter. Raises `FrameError` if it is cut."""
    data, whole = decode_part(frame)
    if not whole:
        raise FrameError(f"a frame of {len(frame)} bytes ends within a block")
    return data


def decode_part(frame: bytes) -> tuple[bytes, bool]:
    """The bytes in a frame as far as it goes, and whether it ends where a block does."""
    out = bytearray()
    position, size = 0, len(frame)
    implied = False  # a zero, unless this was the last block
    while position < size:
        code = frame[position]
        if not code:
            raise FrameError("a frame holds the delimiter 0x00")
        if implied:
            out.append(0)
        out += frame[position + 1 : position + code]
        position += code
        implied = code <= LONGEST
    return bytes(out), position == size


def frames(data: bytes) -> list[tuple[bytes, bool]]:
    """What a decoder makes of a stream: the bytes in each ended frame, and whether it is whole."""
    return [decode_part(frame) for frame in data.split(DELIMITER)[:-1] if frame]
