"""What the device's end does with requests: each once, in order, and answered again if asked."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.models.host_link.packet import Op, Request, Response, Status, from_frame, to_frame
from shotveil.models.host_link.wire import Wire, WireFaults
from shotveil.sim.cases.host_link import DEPTH, READ_PORTS, SOURCE, WRITE_PORTS, Surroundings

WINDOW = 4


@pytest.fixture
def device():
    made = EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, WINDOW)
    ask(made, 0, Op.HELLO, 0, 1, (77,))
    return made


def ask(device, seq, op, target=0, count=0, words=()):
    """The answers to a request, which are one at most."""
    data = device.feed(to_frame(Request(seq, op, target, count, tuple(words)).body()))
    (answer,) = [Response.of(from_frame(f, 8)) for f in data.split(b"\0")[:-1]] or [None]
    return answer


def test_nothing_before_hello():
    device = EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, WINDOW)
    assert ask(device, 0, Op.WRITE, 1, 1, (5,)).status == Status.NO_SESSION
    assert ask(device, 0, Op.WRITE, 1, 1, (5,)) is None
    answer = ask(device, 9, Op.HELLO, 0, 1, (123,))
    assert answer.words == (123, 1 | WINDOW << 8 | WRITE_PORTS << 16 | READ_PORTS << 24)
    assert ask(device, 10, Op.READ, 1, 1).words == (0,)
    assert device.counters.link_gap == 2 and device.counters.link_accepted == 2


def test_registers(device):
    assert ask(device, 1, Op.WRITE, 3, 2, (5, 6)).status == Status.OK
    assert ask(device, 2, Op.READ, 2, 4).words == (0, 5, 6, 0)
    assert ask(device, 3, Op.READ, 4095, 1).status == Status.OK
    assert ask(device, 4, Op.READ, 4095, 2).status == Status.REFUSED
    assert ask(device, 5, Op.READ, 0, 257).status == Status.REFUSED
    assert ask(device, 6, Op.WRITE, 0, 2, (1,)).status == Status.REFUSED
    assert ask(device, 7, 99).status == Status.REFUSED
    assert ask(device, 8, Op.READ, 0, 1).words == (0,)


def test_ports_and_their_credit(device):
    assert ask(device, 1, Op.SEND, 1).credit == DEPTH
    assert ask(device, 2, Op.SEND, 1, 256, range(256)).credit == DEPTH
    assert ask(device, 3, Op.RECEIVE, 1, 100).words == tuple(range(100))
    # A word that left makes room for another: now as many more may have been sent in all.
    assert ask(device, 4, Op.SEND, 1, 256, range(256)).credit == DEPTH + 100
    full = ask(device, 5, Op.SEND, 1, 256, range(256))
    assert full.status == Status.FULL and full.credit == DEPTH + 100
    left = ask(device, 6, Op.RECEIVE, 1, 0)
    assert left.credit == 412 and left.words == ()
    assert ask(device, 7, Op.RECEIVE, 2, 3).credit == SOURCE - 3
    assert ask(device, 8, Op.SEND, WRITE_PORTS).status == Status.REFUSED
    assert ask(device, 9, Op.RECEIVE, READ_PORTS, 1).status == Status.REFUSED


def test_a_repeated_request_is_answered_and_not_carried_out(device):
    first = ask(device, 1, Op.RECEIVE, 2, 5)
    assert first.words == (0, 1, 2, 3, 4)
    assert ask(device, 1, Op.RECEIVE, 2, 5) == first
    for seq in range(2, 1 + WINDOW):
        assert ask(device, seq, Op.RECEIVE, 2, 1).words == (seq + 3,)
    assert ask(device, 1, Op.RECEIVE, 2, 5) == first
    assert ask(device, 1 + WINDOW, Op.RECEIVE, 2, 1).words == (WINDOW + 4,)
    assert ask(device, 1, Op.RECEIVE, 2, 5).status == Status.GAP
    assert device.counters.link_repeated == 2


def test_a_gap_is_told_once(device):
    assert ask(device, 2, Op.WRITE, 0, 1, (1,)) == Response(1, Op.WRITE, Status.GAP, 0)
    assert ask(device, 3, Op.WRITE, 0, 1, (2,)) is None
    assert ask(device, 1, Op.READ, 0, 1).words == (0,)
    assert ask(device, 3, Op.WRITE, 0, 1, (2,)).status == Status.GAP


def test_sequence_numbers_wrap(device):
    for k in range(1, 600):
        assert ask(device, k % 256, Op.RECEIVE, 2, 1).words == (k - 1,)


def test_a_session_ends_with_another_hello_and_not_with_the_same(device):
    ask(device, 1, Op.SEND, 0, 3, (1, 2, 3))
    ask(device, 0, Op.HELLO, 0, 1, (77,))
    assert device.sessions_lost == 0
    assert ask(device, 2, Op.SEND, 0).credit == DEPTH
    ask(device, 50, Op.HELLO, 0, 1, (78,))
    assert device.sessions_lost == 1
    # What waits in the queue is no longer of this session, nor is its number.
    assert ask(device, 51, Op.SEND, 0).credit == DEPTH - 3
    # A HELLO of this session that comes when its number is the next is still an old one.
    for seq in range(52, 50 + 256):
        ask(device, seq % 256, Op.READ)
    assert ask(device, 50, Op.HELLO, 0, 1, (78,)).status == Status.GAP


def test_bytes_may_come_in_any_pieces(device):
    frames = [to_frame(Request(k, Op.RECEIVE, 2, 3).body()) for k in range(1, 5)]
    data = b"\0\0" + b"".join(frames)
    out = b"".join(device.feed(data[k : k + 1]) for k in range(len(data)))
    answers = [Response.of(from_frame(frame, 8)) for frame in out.split(b"\0")[:-1]]
    assert [word for answer in answers for word in answer.words] == list(range(12))


def test_a_frame_that_never_ends_is_a_bad_one(device):
    for _ in range(100):
        device.feed(b"\1" * 1000)
    device.feed(b"\0")
    assert device.counters.link_bad_frame == 1
    assert ask(device, 1, Op.READ, 0, 1).status == Status.OK


@pytest.mark.parametrize("shape", [(0, 1, 4), (1, 0, 4), (1, 1, 1), (1, 1, 256), (17, 1, 4)])
def test_shapes_that_cannot_be(shape):
    with pytest.raises(RangeError):
        EndpointModel(Surroundings(), *shape)
    with pytest.raises(RangeError, match="power of two"):
        EndpointModel(Surroundings(), 1, 1, 6)


def test_the_wire_does_as_much_harm_as_it_should():
    wire = Wire(WireFaults(0.1, 0.2, 0.05, 0.02), np.random.default_rng(5))
    frame = to_frame(bytes(10))
    out = wire.carry(frame * 50_000)
    counts = wire.counts
    assert wire.frames == 50_000
    for name, share in (("corrupt", 0.1), ("drop", 0.2), ("duplicate", 0.05), ("reorder", 0.02)):
        # Five standard deviations of a binomial.
        assert abs(counts[name] - 50_000 * share) < 5 * np.sqrt(50_000 * share)
    intact = sum(part + b"\0" == frame for part in out.split(b"\0"))
    due = counts["good"] + 2 * counts["duplicate"] + counts["reorder"]
    # A damaged one that lost its end takes the next with it; one with bytes before it may survive.
    assert due - counts["corrupt"] / 3 < intact <= due + counts["corrupt"] / 3
    with pytest.raises(RangeError):
        WireFaults(0.9, 0.2)
