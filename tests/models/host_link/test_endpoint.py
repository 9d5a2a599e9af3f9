"""What the device's end does with requests: each once, in order, and answered again if asked."""

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.host_link import cobs
from shotveil.models.host_link.endpoint import Counters, EndpointModel, require_shape
from shotveil.models.host_link.packet import Op, Request, Response, Status, from_frame, to_frame
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
    assert device.alive == 2  # what is refused is no sign of life


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


@pytest.mark.parametrize(
    ("place", "low", "high"),
    [(0, 1, 16), (1, 1, 16), (2, 2, 128)],
    ids=["writes", "reads", "window"],
)
def test_shapes_have_ends(place, low, high):
    for value, fits in ((low, True), (high, True), (low - 1, False), (2 * high, False)):
        shape = [4, 4, 4]
        shape[place] = value
        if fits:
            require_shape(*shape)
        else:
            with pytest.raises(RangeError, match=("write_ports", "read_ports", "window")[place]):
                require_shape(*shape)
    shape[place] = low + 0.5
    with pytest.raises(RangeError, match="integers"):
        require_shape(*shape)


def test_counters_stop_at_their_ends_and_are_cleared(device):
    widths = {"link_bad_crc": 16, "link_bad_frame": 16, "link_repeated": 16, "link_gap": 16,
              "link_accepted": 32}  # fmt: skip
    assert vars(Counters()) == dict.fromkeys(widths, 0)
    for name, width in widths.items():
        most = 2**width - 1
        counters = Counters(**{name: most - 1})
        for _ in range(2):
            counters.count(name)
            assert vars(counters) == dict.fromkeys(widths, 0) | {name: most}
    assert device.counters.link_accepted == 1
    device.clear()
    assert vars(device.counters) == dict.fromkeys(widths, 0)


def test_what_is_wrong_is_counted_by_its_kind_and_is_no_sign_of_life(device):
    alive = device.alive
    good = to_frame(Request(1, Op.READ, 0, 1).body())
    assert device.feed(cobs.encode(bytes(10)) + b"\0" + b"\x05\x01\0") == b""
    assert (device.counters.link_bad_crc, device.counters.link_bad_frame) == (1, 1)
    assert device.alive == alive
    device.feed(good)
    assert device.alive == alive + 1
    device.feed(good)  # again: answered, and a sign of life
    assert device.alive == alive + 2 and device.counters.link_repeated == 1
    ask(device, 9, Op.READ)
    assert device.alive == alive + 2 and device.counters.link_gap == 1


def test_the_number_before_the_gap_and_high_bits_of_the_op(device):
    assert ask(device, 1, 0x80 | Op.READ).status == Status.REFUSED
    assert ask(device, 5, 0x82) == Response(2, 2, Status.GAP, 0)
    # A HELLO of another shape is no greeting, and is refused in its turn.
    assert ask(device, 2, Op.HELLO, 0, 2, (1, 2)).status == Status.REFUSED
    assert ask(device, 3, Op.HELLO, 0, 2, (1,)).status == Status.REFUSED
    assert device.sessions_lost == 0


def test_edges_of_each_request(device):
    number = iter(range(1, 100))
    for op, target, count, words, status in (
        (Op.READ, 0, 256, (), Status.OK),
        (Op.READ, 4095, 1, (), Status.OK),
        (Op.READ, 4096, 1, (), Status.REFUSED),
        (Op.READ, 0, 1, (5,), Status.REFUSED),
        (Op.WRITE, 4095, 1, (5,), Status.OK),
        (Op.WRITE, 4095, 2, (5, 6), Status.REFUSED),
        (Op.SEND, WRITE_PORTS - 1, 1, (5,), Status.OK),
        (Op.SEND, 0, 2, (5,), Status.REFUSED),
        (Op.RECEIVE, READ_PORTS - 1, 256, (), Status.OK),
        (Op.RECEIVE, 0, 257, (), Status.REFUSED),
        (Op.RECEIVE, 0, 1, (7,), Status.REFUSED),
    ):
        answer = ask(device, next(number), op, target, count, words)
        assert (answer.op, answer.status) == (op, status)
    assert ask(device, next(number), Op.READ, 4095, 1).words == (5,)


def test_a_frame_that_is_just_too_long_is_kept_no_further(device):
    longest = to_frame(Request(1, Op.WRITE, 0, 256, (0x01010101,) * 256).body())
    assert device.feed(longest[:-1]) == b""
    assert device.feed(longest[-1:]) != b""
    assert device.counters.link_accepted == 2


def test_credit_wraps_at_sixteen_bits(device):
    sent, number = 0, 0
    while sent < 66_000:
        number += 1
        answer = ask(device, number % 256, Op.SEND, 1, 256, range(256))
        assert answer.credit == (sent + DEPTH) % 65536
        sent += 256
        number += 1
        assert len(ask(device, number % 256, Op.RECEIVE, 1, 256).words) == 256
