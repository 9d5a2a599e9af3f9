"""A `.bit` becomes what Linux loads: against a small file made by hand."""

import pytest

from shotveil.host.devices.bitstream import to_bit_bin
from shotveil.models.common.checks import RangeError

# A header as Vivado writes it, then padding, bus width detection, sync word and a NOP.
HEADER = bytes.fromhex(
    "0009 0ff00ff00ff00ff000 0001"
    "61 0004 746f7000"  # a: "top"
    "62 0010 377a303130636c6734303000 00000000"  # b: the part
    "63 000b 323032362f31312f323900"  # c: the day
    "64 0009 31323a30303a303000"  # d: the time
    "65 00000018"
)
WORDS = bytes.fromhex("ffffffff 000000bb 11220044 ffffffff aa995566 20000000")
TURNED = bytes.fromhex("ffffffff bb000000 44002211 ffffffff 665599aa 00000020")


def test_the_header_goes_and_each_word_is_turned_round():
    assert to_bit_bin(HEADER + WORDS) == TURNED


def test_bytes_behind_the_configuration_are_left_out():
    assert to_bit_bin(HEADER + WORDS + b"more") == TURNED


@pytest.mark.parametrize(
    ("bit", "message"),
    [
        (b"", "no header"),
        (TURNED, "no header"),
        (WORDS, "no header"),
        (HEADER + WORDS[:-4], "has 20 bytes where its header says 24"),
        (HEADER[:-4] + bytes(4), "has 0 bytes"),
        (HEADER + TURNED, "no sync word"),
        (HEADER + bytes(24), "no sync word"),
    ],
)
def test_files_that_are_none(bit, message):
    with pytest.raises(RangeError, match=message):
        to_bit_bin(bit)
