"""COBS and CRC-32 against the libraries that everybody uses; packets against their description."""

import zlib

import cobs.cobs
import numpy as np
import pytest

from shotveil.models.host_link import cobs as ours
from shotveil.models.host_link import crc, packet
from shotveil.models.host_link.packet import CrcError, FrameError, Request, Response
from shotveil.sim.cases.host_link import contents


def samples():
    return contents(3000, np.random.default_rng(1))


def test_cobs_as_the_library():
    for data in samples():
        frame = ours.encode(data)
        assert frame == cobs.cobs.encode(data)
        assert 0 not in frame
        assert ours.decode(frame) == data == cobs.cobs.decode(frame)


def test_a_cut_frame_is_refused_as_by_the_library():
    rng = np.random.default_rng(2)
    for data in samples():
        frame = ours.encode(data)
        part = frame[: int(rng.integers(1, len(frame) + 1))]
        try:
            due = cobs.cobs.decode(part)
        except cobs.cobs.DecodeError:
            with pytest.raises(FrameError):
                ours.decode(part)
        else:
            assert ours.decode(part) == due


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


def test_layout_of_packets():
    request = Request(0x12, packet.Op.WRITE, 0x345, 1, (0x89ABCDEF,))
    assert request.body() == bytes.fromhex("12 03 4503 0100 efcdab89")
    response = Response(0x12, packet.Op.SEND, packet.Status.FULL, 0xABCD, (1,))
    assert response.body() == bytes.fromhex("12 84 02 00 cdab 0100 01000000")


def test_packets_there_and_back():
    rng = np.random.default_rng(3)
    for count in [0, 1, 255, 256, *rng.integers(0, 257, 50)]:
        words = tuple(int(word) for word in rng.integers(0, 2**32, count))
        request = Request(int(rng.integers(256)), 4, int(rng.integers(2**16)), int(count), words)
        frame = packet.to_frame(request.body())
        assert frame[-1] == 0 and Request.of(packet.from_frame(frame[:-1], 6)) == request
        response = Response(7, 5, 0, int(rng.integers(2**16)), words)
        frame = packet.to_frame(response.body())
        assert Response.of(packet.from_frame(frame[:-1], 8)) == response


def test_every_single_byte_that_changes_is_noticed():
    frame = packet.to_frame(Request(1, 3, 5, 2, (0, 0xFFFFFFFF)).body())[:-1]
    for place in range(len(frame)):
        for value in set(range(1, 256)) - {frame[place]}:
            changed = frame[:place] + bytes([value]) + frame[place + 1 :]
            with pytest.raises(FrameError):
                packet.from_frame(changed, 6)


def test_what_is_wrong_is_told_apart():
    body = Request(1, 2, 3, 4).body()
    with pytest.raises(CrcError):
        packet.from_frame(ours.encode(body + bytes(4)), 6)
    for wrong in (body, body + bytes(5), body + bytes(4 * 258), b""):
        with pytest.raises(FrameError) as error:
            packet.from_frame(ours.encode(wrong), 6)
        assert not isinstance(error.value, CrcError)
    with pytest.raises(FrameError, match="no response"):
        Response.of(body + bytes(2))
