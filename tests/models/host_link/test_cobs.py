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
