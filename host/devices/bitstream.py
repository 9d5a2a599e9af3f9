"""A bitstream of Vivado in the form that a Zynq's Linux loads.

The kernel's FPGA manager (`drivers/fpga/zynq-fpga.c`) takes the configuration words alone, each
with its four bytes turned round; Vivado's `.bit` has a header before them and the other order. This
is what `bootgen -process_bitstream bin` writes as `.bit.bin`. It runs on a board's own Linux and
needs no package beside Python's own.
"""

from __future__ import annotations

from shotveil.models.common.checks import RangeError

SYNC = bytes.fromhex("665599aa")  # the word after which configuration begins, turned round
SYNC_WITHIN = 1024  # bytes in which it has to come, or the file is something else


def to_bit_bin(bit: bytes) -> bytes:
    """The content of a `.bit.bin` from that of a `.bit`.

    Raises `RangeError` where it is none, was cut off, or was turned round before.
    """
    words = _configuration(bit)
    turned = bytearray(len(words))
    for lane in range(4):
        turned[lane::4] = words[3 - lane :: 4]
    at = turned.find(SYNC, 0, SYNC_WITHIN)
    if at < 0 or at % 4:
        raise RangeError(
            "the bitstream has no sync word at its beginning; allowed: a .bit file as Vivado "
            "writes it, neither compressed by another program nor encrypted"
        )
    return bytes(turned)


def _configuration(bit: bytes) -> bytes:
    """The words behind a header: a field of unknown use, a number, then fields by letters."""
    at = 2 + int.from_bytes(bit[:2], "big") + 2
    while bit[at : at + 1] in (b"a", b"b", b"c", b"d"):  # design, part, date, time
        at += 3 + int.from_bytes(bit[at + 1 : at + 3], "big")
    if bit[at : at + 1] != b"e":
        raise RangeError("the file has no header of a bitstream; allowed: a .bit file of Vivado")
    count = int.from_bytes(bit[at + 1 : at + 5], "big")
    words = bit[at + 5 : at + 5 + count]
    if len(words) != count or count % 4 or not count:
        raise RangeError(
            f"the bitstream has {len(words)} bytes where its header says {count}; allowed: a whole "
            "file, in words of 4 bytes"
        )
    return words
