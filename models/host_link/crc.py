"""CRC-32 of a packet: the one of IEEE 802.3 (polynomial 0x04C11DB7, reflected, 0xFFFFFFFF).

Integer model of `gateware.host_link.crc`. Appended in little-endian order behind what it covers,
it leaves `RESIDUE` in the register, whatever came before: so a receiver needs not know where a
packet's data end.
"""

from __future__ import annotations

import functools

POLYNOMIAL = 0xEDB88320  # its bits reversed, as a register that shifts right needs it
START = 0xFFFFFFFF
RESIDUE = 0xDEBB20E3


@functools.cache
def table() -> tuple[int, ...]:
    """What each byte adds to the register, 256 words of 32 bits.

    It is linear: the entry of a byte is the exclusive or of the entries of its bits, and so eight
    of them are all that gateware needs.
    """

    def entry(register: int) -> int:
        for _ in range(8):
            register = register >> 1 ^ (POLYNOMIAL if register & 1 else 0)
        return register

    return tuple(entry(byte) for byte in range(256))


def update(register: int, data: bytes) -> int:
    """The register after more bytes."""
    entries = table()
    for byte in data:
        register = entries[(register ^ byte) & 0xFF] ^ register >> 8
    return register


def crc32(data: bytes) -> int:
    """The CRC-32 of some bytes."""
    return update(START, data) ^ 0xFFFFFFFF
