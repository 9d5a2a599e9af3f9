"""CRC-32 against zlib's."""

import zlib

import numpy as np

from shotveil.models.host_link import crc
from shotveil.sim.cases.host_link import contents


def samples():
    return contents(3000, np.random.default_rng(1))


def test_crc_as_the_library():
    for data in samples():
        assert crc.crc32(data) == zlib.crc32(data)
        whole = data + zlib.crc32(data).to_bytes(4, "little")
        assert crc.update(crc.START, whole) == crc.RESIDUE


def test_the_table_is_linear():
    table = crc.table()
    for byte in range(256):
        bits = (table[1 << k] for k in range(8) if byte >> k & 1)
        assert table[byte] == int(np.bitwise_xor.reduce(np.array([0, *bits], dtype=np.int64)))


def test_a_table_of_bytes_and_a_check_value():
    assert len(crc.table()) == 256 and crc.table()[0] == 0
    assert crc.crc32(b"123456789") == 0xCBF43926  # the catalogue's check of this CRC
    assert crc.crc32(b"") == 0
    whole = crc.update(crc.START, b"12345")
    assert crc.update(whole, b"6789") == crc.update(crc.START, b"123456789")
