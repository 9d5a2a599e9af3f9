"""The host's end of the link: against the device's model over wires of every quality."""

import numpy as np
import pytest

from shotveil.host.devices.transport import LinkLost, NoRoom, Refused, Transport, VersionMismatch
from shotveil.models.common.checks import RangeError
from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.models.host_link.packet import MAX_WORDS
from shotveil.models.host_link.wire import Wire, WireFaults
from shotveil.sim.cases.host_link import DEPTH, READ_PORTS, SOURCE, WRITE_PORTS, Surroundings
from shotveil.sim.figures.link_soak import BAD, RATE, TIMEOUT, WirePipe, soak

CLEAN = WireFaults()


def connect(impairments=CLEAN, window=8, seed=1, device=None, **options):
    rng = np.random.default_rng(seed)
    device = device or EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, window)
    pipe = WirePipe(device, Wire(impairments, rng), Wire(impairments, rng))
    link = Transport(pipe, timeout=TIMEOUT, clock=pipe.clock, **options)
    return link, device, pipe


def test_registers_and_ports():
    link, device, _ = connect()
    assert (link.write_ports, link.read_ports) == (WRITE_PORTS, READ_PORTS)
    link.write(5, [1, 2**32 - 1])
    assert link.read(4, 4).tolist() == [0, 1, 2**32 - 1, 0]
    assert link.room(1) == DEPTH and link.available(1) == 0
    link.send(1, np.arange(DEPTH))
    assert link.room(1) == 0 and link.available(1) == DEPTH
    assert link.receive(1, 2 * DEPTH).tolist() == list(range(DEPTH))
    assert link.receive(2, 256).tolist() == list(range(SOURCE))
    link.ping()
    assert device.counters.link_gap == device.counters.link_repeated == 0
    # Nothing was lost, so nothing was sent twice.
    assert link.traffic.sent == link.traffic.requests and link.traffic.timeouts == 0


def test_without_room_words_wait_and_no_packet_is_wasted():
    link, _, _ = connect()
    with pytest.raises(NoRoom, match="600 words"):
        link.send(0, np.arange(2 * DEPTH), patience=0.2)
    assert link.offer(0, [1]) == 0
    link.receive(0, 100)
    assert link.offer(0, np.arange(300)) == 100
    assert link.room(1) == DEPTH


def test_feeding_sends_what_there_is_room_for_whatever_else_is_awaited():
    link, _, _ = connect()
    words = np.arange(2 * DEPTH)
    fed: list[int] = []
    packets: list[int] = []
    for room in (DEPTH, 100, 0, 30, 270):
        if fed:
            begin = sum(fed) - DEPTH
            assert link.receive(0, room).tolist() == list(range(begin, begin + room))
        sent = 0
        for _ in range(8):
            asked = link.ask_read(4, 1)  # so some answer is awaited at all times
            taken = link.feed(0, words[sum(fed) + sent :])
            sent += taken
            packets += [taken] if taken else []
            link.result(asked)
        fed.append(sent)
    assert fed == [DEPTH, 100, 0, 30, 270]
    # Room was not spent as it came, a few words at a time.
    assert packets == [512, 88, 100, 30, 256, 14]
    assert link.traffic.sent == link.traffic.requests and link.traffic.timeouts == 0


def test_feeding_waits_for_a_whole_packet_as_long_as_an_answer_may_tell_of_more_room():
    link, _, _ = connect()
    sent = 0
    while sent < DEPTH:
        sent += link.feed(0, np.arange(DEPTH - sent))
        link.wait(0.01)
    link.receive(0, 100)
    assert link.room(0) == 100
    link.receive(0, 300)
    asked = link.ask_read(4, 1)
    # A hundred are known of, but nobody has asked since.
    assert link.feed(0, np.arange(1000)) == 0
    link.result(asked)
    while not (sent := link.feed(0, np.arange(1000))):
        link.wait(0.01)
    assert sent == MAX_WORDS


def test_waiting_lets_time_pass():
    link, _, pipe = connect()
    before = pipe.now
    link.wait(0.5)
    assert pipe.now == pytest.approx(before + 0.5, rel=0.05)
    with pytest.raises(RangeError, match="seconds = -1 is outside"):
        link.wait(-1)


def test_credit_counts_modulo_65536():
    link, _, _ = connect()
    sent = 0
    for _ in range(300):
        link.send(0, np.arange(sent, sent + 500))
        assert np.array_equal(link.receive(0, 500), np.arange(sent, sent + 500))
        sent += 500
    assert sent > 2 * 2**16


class Sink(Surroundings):
    """Takes all words, and gives none."""

    def room(self, port):
        return 30_000

    def send(self, port, words):
        pass


def test_bulk_goes_at_the_rate_of_the_wire():
    """A window of whole packets keeps the wire busy, though each answer takes its time."""
    link, _, pipe = connect(device=EndpointModel(Sink(), WRITE_PORTS, READ_PORTS, 8))
    start = pipe.now
    link.send(0, np.zeros(100_000, dtype=np.uint32))
    link.flush()
    assert 0.93 < 400_000 / RATE / (pipe.now - start) < 1
    assert link.traffic.timeouts == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_wire(seed):
    report = soak(4_000, np.random.default_rng(seed))
    assert report.packets >= 4_000 and report.received > 10_000
    assert min(report.there.values()) > 0 and min(report.back.values()) > 0


def test_a_wire_that_hardly_works():
    worst = WireFaults(corrupt=0.15, drop=0.15, duplicate=0.1, reorder=0.1)
    soak(2_000, np.random.default_rng(4), worst, window=4)
    soak(2_000, np.random.default_rng(5), worst, window=32)


def test_a_host_that_finds_a_broken_session():
    """What an earlier host left on the wire, half a frame included, is no harm."""
    link, device, pipe = connect()
    link.send(0, range(10))
    pipe.write(b"\5\1\1")
    again, _, _ = connect(device=device)
    assert device.sessions_lost == 1
    assert again.receive(0, 100).tolist() == list(range(10))
    with pytest.raises(LinkLost):
        link.read(0)


def test_nobody_answers():
    with pytest.raises(LinkLost, match="no answer"):
        connect(WireFaults(drop=1.0), attempts=3)


def test_a_device_that_was_reset():
    link, _, pipe = connect()
    pipe._device = EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, 8)
    with pytest.raises(LinkLost, match="reset"):
        link.read(0)


def test_another_version(monkeypatch):
    monkeypatch.setattr("shotveil.models.host_link.packet.PROTOCOL", 9)
    with pytest.raises(VersionMismatch, match=r"version 9 .* this host version 1"):
        connect()


def test_what_the_device_refuses(monkeypatch):
    link, _, _ = connect()
    monkeypatch.setattr("shotveil.host.devices.transport.ADDRESSES", 10_000)
    with pytest.raises(Refused, match="READ of 1 words at 5000"):
        link.read(5000)


def test_values_out_of_range():
    link, _, _ = connect()
    for wrong in (
        lambda: link.read(4096),
        lambda: link.read(0, 257),
        lambda: link.write(0, [-1]),
        lambda: link.write(0, [2**32]),
        lambda: link.write(0, [0.5]),
        lambda: link.send(WRITE_PORTS, [0]),
        lambda: link.receive(READ_PORTS, 1),
    ):
        with pytest.raises(RangeError):
            wrong()
    link.ping()


def test_the_floor_is_what_the_soak_runs():
    assert BAD.corrupt >= 0.01 and BAD.drop >= 0.01 and BAD.duplicate >= 0.01
