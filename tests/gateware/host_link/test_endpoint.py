"""The device's end: each request once and in order, and its answer in time; within the link."""

import dataclasses

from shotveil.gateware.host_link import cobs, crc, endpoint, packet
from shotveil.models.host_link.packet import Op, Request, to_frame
from shotveil.sim.cases.host_link import LinkInSurroundings, link_case, octets
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from tests.gateware.host_link import bit_true


def test_requests_of_every_kind():
    check(AmaranthBench(LinkInSurroundings()), bit_true.cases("link", 0, seed=7))


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("link", endpoint.Endpoint, monkeypatch)


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
    # A register stands between serialiser and checksum.
    due = sum(block.latency for block in blocks) + 2 + 1
    assert result.first["o"] - result.last["i"] == due
