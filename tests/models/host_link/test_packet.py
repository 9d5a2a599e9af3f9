"""Packets against their description."""

import dataclasses
import zlib

import numpy as np
import pytest

from shotveil.models.host_link import cobs as ours
from shotveil.models.host_link import packet
from shotveil.models.host_link.packet import CrcError, FrameError, Request, Response


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


def test_what_a_device_says_of_itself():
    assert packet.hello_word(8, 4, 7) == 0x07_04_08_01
    assert packet.PROTOCOL == 1 and packet.MAX_WORDS == 256 and packet.ADDRESSES == 4096


def test_numbers_on_the_wire():
    assert list(packet.Op) == [1, 2, 3, 4, 5]
    assert [op.name for op in packet.Op] == ["HELLO", "READ", "WRITE", "SEND", "RECEIVE"]
    assert list(packet.Status) == [0, 1, 2, 3, 4]
    names = ["OK", "REFUSED", "FULL", "GAP", "NO_SESSION"]
    assert [status.name for status in packet.Status] == names


def test_packets_are_values_without_other_fields():
    for made in (Request(1, 2, 3, 4), Response(1, 2, 3, 4)):
        assert made.words == () and not hasattr(made, "__dict__")
        with pytest.raises(dataclasses.FrozenInstanceError):
            made.seq = 5


def test_the_crc_is_that_of_header_and_words():
    body = Request(1, packet.Op.WRITE, 3, 1, (9,)).body()
    frame = packet.to_frame(body)
    whole = ours.decode(frame[:-1])
    assert whole == body + zlib.crc32(body).to_bytes(4, "little") and frame[-1:] == b"\0"


@pytest.mark.parametrize("header, make", [(6, Request.of), (8, Response.of)])
def test_lengths_that_a_packet_can_have(header, make):
    def framed(size):
        body = bytes([1, 0x81]) + bytes(max(0, size - 2))
        return packet.to_frame(body[:size])[:-1]

    for words, fits in ((0, True), (256, True), (257, False), (-1, False)):
        size = header + 4 * words
        if fits:
            assert len(packet.from_frame(framed(size), header)) == size
        else:
            with pytest.raises(FrameError):
                packet.from_frame(framed(size), header)
    for size in (header + 1, header + 3, header - 1):
        with pytest.raises(FrameError, match="bytes is none"):
            packet.from_frame(framed(size), header)
        with pytest.raises(FrameError, match="bytes are no packet"):
            make(bytes(size))
    with pytest.raises(FrameError, match="no packet"):
        make(bytes(header + 4 * 257))


def test_a_response_names_its_request():
    good = Response(7, 5, 0, 9, (1, 2)).body()
    assert Response.of(good) == Response(7, 5, 0, 9, (1, 2))
    with pytest.raises(FrameError, match="is no response"):
        Response.of(good[:1] + b"\5" + good[2:])  # a request's op
    with pytest.raises(FrameError, match="is no response"):
        Response.of(good + bytes(4))  # a word more than it says
