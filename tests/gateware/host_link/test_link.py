"""The whole link: equal to the model to the bit, whatever the wire does, and at its full rate."""

import numpy as np
import pytest

from shotveil.gateware.host_link import link
from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.models.host_link.packet import MAX_WORDS, Op, Request, to_frame
from shotveil.sim.cases.host_link import (
    READ_PORTS,
    WINDOW,
    WRITE_PORTS,
    LinkInSurroundings,
    Surroundings,
    link_case,
)
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.verilator_bench import VerilatorBench
from shotveil.sim.figures.link_soak import soak
from tests.gateware.host_link import bit_true


def test_in_amaranth():
    check(AmaranthBench(LinkInSurroundings()), bit_true.cases("link", 0))


@pytest.fixture(scope="module")
def verilated_link():
    return VerilatorBench(LinkInSurroundings(), "host_link", depth=1 << 22)


@pytest.mark.parametrize("stall", [0.0, 0.35])
def test_as_verilog(verilated_link, stall):
    given = bit_true.cases("link", 1000, seed=6)
    (result,) = check(verilated_link, bit_true.stalled(given, stall, seed=9))
    # All that can happen to a packet happened.
    assert all(result.status.values())


def test_what_a_host_says_over_a_bad_wire(verilated_link):
    """The device's end of the floor, with the real host at the other: thousands of packets."""
    report = soak(20_000, np.random.default_rng(2), window=4, record=True)
    check(verilated_link, [link_case(report.to_device)])


def test_garbage(verilated_link):
    data = np.random.default_rng(3).integers(0, 256, 100_000).astype("u1").tobytes()
    few = np.random.default_rng(3).integers(0, 4, 100_000).astype("u1").tobytes()
    (result,) = check(verilated_link, [link_case(data + few + b"\0")])
    frames = sum(1 for frame in (data + few).split(b"\0") if frame)
    counted = [result.status[f"link_{kind}"] for kind in ("bad_crc", "bad_frame")]
    assert sum(counted) == frames and counted[0] > 0


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("link", link.HostLink, monkeypatch)


def requests_to_frames(requests):
    return b"".join(to_frame(request.body()) for request in requests)


def test_bytes_in_every_clock_are_taken_in_every_clock():
    """SEND requests of 256 words are carried out at the rate of the bytes: 1024 of 1040 count."""
    words = tuple(range(2**31, 2**31 + MAX_WORDS))
    greeting = [Request(0, Op.HELLO, 0, 1, (3,))]
    sends = [Request(1 + k, Op.SEND, k % 2, MAX_WORDS, words) for k in range(4)]
    data = requests_to_frames(greeting + sends)
    case = link_case(data)
    (result,) = check(AmaranthBench(LinkInSurroundings()), [case])
    clocks = result.last["i"] - result.first["i"] + 1
    payload = 4 * 4 * MAX_WORDS
    assert clocks == len(data)  # it never paused
    assert payload / (clocks - len(requests_to_frames(greeting))) >= 0.93


def test_words_from_a_port_leave_at_the_rate_of_the_bytes():
    """The next request is carried out while the answer to this one leaves."""
    requests = [Request(0, Op.HELLO, 0, 1, (3,))]
    requests += [Request(k, Op.SEND, k % 2, 250, (k,) * 250) for k in range(1, 5)]
    requests += [Request(k, Op.RECEIVE, k % 2, 250) for k in range(5, 9)]
    data = requests_to_frames(requests)
    (result,) = check(AmaranthBench(LinkInSurroundings()), [link_case(data)])
    device = EndpointModel(Surroundings(), WRITE_PORTS, READ_PORTS, WINDOW)
    answers = len(device.feed(data)) - 5 * 16
    # From the last request's arrival on, nothing but answers are on the way.
    assert result.last["o"] - result.last["i"] <= answers + 400
