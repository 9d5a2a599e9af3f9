"""COBS against the library that everybody uses."""

import cobs.cobs
import numpy as np
import pytest

from shotveil.models.host_link import cobs as ours
from shotveil.models.host_link.packet import FrameError
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


def test_a_stream_is_cut_at_its_delimiters():
    stream = ours.encode(b"one") + b"\0\0" + ours.encode(b"t\0wo")[:-1] + b"\0" + b"\5rest"
    assert ours.frames(stream) == [(b"one", True), (b"t\0w", False)]
    assert ours.frames(b"") == ours.frames(b"\3ab") == []


def test_what_ends_within_a_block_or_holds_the_delimiter_is_refused():
    assert ours.decode(b"") == b""
    with pytest.raises(FrameError, match="a frame of 2 bytes ends within a block"):
        ours.decode(b"\3a")
    with pytest.raises(FrameError, match="holds the delimiter"):
        ours.decode_part(b"\2a\0")
    assert ours.decode_part(b"\5ab") == (b"ab", False)


@pytest.mark.parametrize("length", [253, 254, 255, 507, 508, 509])
def test_blocks_around_the_longest(length):
    for data in (bytes([7]) * length, bytes([7]) * length + b"\0", b"\0" + bytes([7]) * length):
        assert ours.encode(data) == cobs.cobs.encode(data)
        assert ours.decode(ours.encode(data)) == data
