"""CRC-32 of a packet: the one of IEEE 802.3 (polynomial 0x04C11DB7, reflected, 0xFFFFFFFF).

Integer model of `gateware.host_link.crc`. A sender appends the CRC to the data in little-endian
order. The register of a receiver then holds `RESIDUE`, whatever the data were, so the receiver need
not know where the data end.
"""

from __future__ import annotations

import functools

POLYNOMIAL = 0xEDB88320  # the bits are reversed because the register shifts right
START = 0xFFFFFFFF
RESIDUE = 0xDEBB20E3


@functools.cache
def table() -> tuple[int, ...]:
    """The 32-bit word that each of the 256 byte values adds to the register.

    The table is linear: the entry of a byte is the exclusive or of the entries of its bits.
    Gateware therefore needs only eight entries.
    """

    def entry(register: int) -> int:
        for _ in range(8):
            register = register >> 1 ^ (POLYNOMIAL if register & 1 else 0)
        return register

    return tuple(entry(byte) for byte in range(256))


def update(register: int, data: bytes) -> int:
    """The register after `data`, starting from the value `register`."""
    entries = table()
    for byte in data:
        register = entries[(register ^ byte) & 0xFF] ^ register >> 8
    return register


def crc32(data: bytes) -> int:
    """The CRC-32 of `data`."""
    return update(START, data) ^ 0xFFFFFFFF
