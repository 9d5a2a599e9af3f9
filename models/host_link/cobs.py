"""Frames in a stream of bytes: consistent overhead byte stuffing, with 0x00 between frames.

Integer model of `gateware.host_link.cobs`.

A frame is cut into blocks at its zeros. Each block is sent without its zero, after a byte that
holds the block's length plus one. A block of 254 bytes that no zero ends gets the byte 0xFF. A zero
on the wire is therefore always the end of a frame, and a receiver that lost its place finds it
there. Source: S. Cheshire and M. Baker, IEEE/ACM Trans. Netw. 7, 159 (1999).
"""

from __future__ import annotations

LONGEST = 254  # the most bytes in a block
DELIMITER = b"\0"
CODES = [bytes([length + 1]) for length in range(LONGEST)]


class FrameError(ValueError):
    """The error for a frame that is cut, damaged, or of a length that no packet has."""


def encode(data: bytes) -> bytes:
    """The frame that carries `data`, without the delimiter that must follow it."""
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
        # No zero ends the last block, so if it is full no further block follows.
        if position < len(block) or number < final or not position:
            out.append(len(block) - position + 1)
            out += block[position:]
    return bytes(out)


def decode(frame: bytes) -> bytes:
    """The bytes that a frame carries; `frame` has no delimiter.

    Raises `FrameError` if the frame is cut or holds a delimiter.
    """
    data, whole = decode_part(frame)
    if not whole:
        raise FrameError(f"a frame of {len(frame)} bytes ends within a block")
    return data


def decode_part(frame: bytes) -> tuple[bytes, bool]:
    """The bytes of a frame, which may be cut, and whether it ends at the end of a block.

    Raises `FrameError` if the frame holds a delimiter.
    """
    out = bytearray()
    position, size = 0, len(frame)
    implied = False  # whether a zero follows, unless this was the last block
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
    """The bytes of each complete frame in a stream, and whether the frame ends with a block."""
    return [decode_part(frame) for frame in data.split(DELIMITER)[:-1] if frame]
