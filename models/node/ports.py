"""Numbers of the stream ports through which a host sends words to a node and takes words from it.

All words have 32 bits. A pair is packed with its first value in bits 0–15.
"""

from __future__ import annotations

import enum

from shotveil.models.node.spec import NodeSpec


class WritePort(enum.IntEnum):
    """Where the host's words go."""

    ROWS = 0  # row symbols: I in bits 0–15 and Q in 16–31, in `DriveSpec.symbol`
    PULSE = 1  # taps of the pulse, sign-extended, whole sets
    ANGLES = 2  # the table of angles, packed as row symbols
    FILTER = 3  # taps of the matched filter, sign-extended, whole sets
    STORE = 4  # symbols of rows that stay, packed as row symbols
    SLOTS = 5  # the slots of rows to send, in their order: numbers of the symbols they begin at


class ReadPort(enum.IntEnum):
    """Where the host's words come from."""

    INFERENCE = 0  # value sign-extended to 31 bits, bit 31: bad; x, and with two quadratures then p
    SESSION = 1  # sums of a session, 64 bits as two words, low first
    MODES = 2  # sums of the modes, likewise
    FRAMES = 3  # sums of single frames, likewise; whole frames only
    SYMBOLS = 4  # 64 bits as two words, low first; fields in `models.node.words`
    PHASES = 5  # phase of the pilots in bits 0–15, sign-extended to 31 bits, bit 31: bad
    CAPTURE = 6  # ADC words: x in bits 0–15, p in 16–31


def write_ports(spec: NodeSpec) -> tuple[WritePort, ...]:
    """The write ports that a node has; only one with a row store has those of the store."""
    stored = (WritePort.STORE, WritePort.SLOTS)
    return tuple(port for port in WritePort if spec.store or port not in stored)
