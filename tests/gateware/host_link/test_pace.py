"""Latency and throughput of the host link's blocks, measured."""

import dataclasses

import numpy as np
import pytest

from shotveil.gateware.host_link import cobs, crc, endpoint, packet
from shotveil.models.host_link.cobs import encode
from shotveil.models.host_link.endpoint import EndpointModel
from shotveil.models.host_link.packet import MAX_WORDS, Op, Request, Response, to_frame
from shotveil.sim.cases.host_link import (
    READ_PORTS,
    WINDOW,
    WRITE_PORTS,
    LinkInSurroundings,
    Surroundings,
    judged,
    link_case,
    octets,
    tokens,
)
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.run import Run


def play(component, inputs, due):
    (result,) = AmaranthBench(component).run(Run(inputs=inputs, due=due))
    return result


def stuffed(data):
    return encode(data) + b"\0"


def test_decoder():
    frame = bytes(range(1, 200))
    result = play(cobs.Decoder(), {"i": octets(stuffed(frame))}, {"o": 200})
    # The first byte is a code and gives nothing.
    assert result.first["o"] - result.first["i"] == 1 + cobs.Decoder.latency
    assert result.last["o"] - result.first["o"] == 199


def test_encoder():
    result = play(cobs.Encoder(), {"i": tokens([b""])}, {"o": 2})
    assert result.first["o"] - result.first["i"] == cobs.Encoder.latency
    data = bytes([7]) * 254 * 4
    result = play(cobs.Encoder(), {"i": tokens([data])}, {"o": len(stuffed(data))})
    assert result.last["i"] - result.first["i"] == len(data) + 4


@pytest.mark.parametrize("block, extra", [(crc.CrcCheck, 0), (crc.CrcAppend, 4)])
def test_crc(block, extra):
    given = (
        judged([bytes(100)], [packet.Fault.NONE]) if block is crc.CrcCheck else tokens([bytes(100)])
    )
    result = play(block(), {"i": given}, {"o": 101 + extra})
    assert result.first["o"] - result.first["i"] == block.latency
    assert result.last["o"] - result.first["o"] == 100 + extra


def test_store():
    """A request that comes while the one before leaves is not held up."""
    body = Request(1, Op.SEND, 0, MAX_WORDS, (5,) * MAX_WORDS).body() + bytes(4)
    given = judged([body] * 3, [packet.Fault.NONE] * 3)
    result = play(packet.Store(), {"i": given}, {"o": 3, "words": 3 * MAX_WORDS})
    assert result.last["i"] - result.first["i"] == 3 * (len(body) + 1) - 1
    assert result.first["o"] - result.first["i"] == len(body) + packet.Store.latency
    assert result.last["words"] - result.last["o"] == MAX_WORDS + 2


def test_serialiser():
    response = Response(1, 2, 3, 4, (5, 6, 7))
    header = {name: np.array([getattr(response, name)]) for name in ("seq", "op", "status")}
    header |= {"credit": np.array([4]), "count": np.array([3])}
    result = play(packet.Serialiser(), {"i": header, "words": np.array([5, 6, 7])}, {"o": 21})
    assert result.first["o"] - result.first["i"] == packet.Serialiser.latency
    assert result.last["o"] - result.first["o"] == 20


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


def test_latency_of_an_answer():
    """From the last byte of a request to the first of its response: that of each block in turn."""
    requests = [Request(0, Op.HELLO, 0, 1, (3,)), Request(1, Op.READ, 0, 0)]
    first, second = (to_frame(request.body()) for request in requests)
    apart = [link_case(first).run, link_case(first + second).run]
    apart[1] = dataclasses.replace(
        apart[1],
        inputs={"i": octets(second)},
        due={"o": apart[1].due["o"] - apart[0].due["o"]},
    )
    _, result = AmaranthBench(LinkInSurroundings()).run(*apart)
    blocks = (
        cobs.Decoder,
        crc.CrcCheck,
        packet.Store,
        endpoint.Endpoint,
        packet.Serialiser,
        crc.CrcAppend,
        cobs.Encoder,
    )
    # The first block of the frame is complete with its third byte, the status of zero.
    due = sum(block.latency for block in blocks) + 2
    assert result.first["o"] - result.last["i"] == due
