"""Packets in and out: equal to the model to the bit, and at the pace that is promised."""

import numpy as np
import pytest

from shotveil.gateware.host_link import packet
from shotveil.models.host_link.packet import MAX_WORDS, Op, Request, Response
from shotveil.sim.cases.host_link import judged
from tests.gateware.host_link import bit_true

BLOCKS = {"store": packet.Store, "serialiser": packet.Serialiser}


@pytest.mark.parametrize("name", BLOCKS)
def test_in_amaranth(name):
    bit_true.in_amaranth(name)


@pytest.mark.parametrize("name", BLOCKS)
def test_an_empty_design_fails(name, monkeypatch):
    bit_true.fails_without(name, BLOCKS[name], monkeypatch)


def test_store():
    """A request that comes while the one before leaves is not held up."""
    body = Request(1, Op.SEND, 0, MAX_WORDS, (5,) * MAX_WORDS).body() + bytes(4)
    given = judged([body] * 3, [packet.Fault.NONE] * 3)
    result = bit_true.play(packet.Store(), {"i": given}, {"o": 3, "words": 3 * MAX_WORDS})
    assert result.last["i"] - result.first["i"] == 3 * (len(body) + 1) - 1
    assert result.first["o"] - result.first["i"] == len(body) + packet.Store.latency
    assert result.last["words"] - result.last["o"] == MAX_WORDS + 2


def test_serialiser():
    response = Response(1, 2, 3, 4, (5, 6, 7))
    header = {name: np.array([getattr(response, name)]) for name in ("seq", "op", "status")}
    header |= {"credit": np.array([4]), "count": np.array([3])}
    result = bit_true.play(
        packet.Serialiser(), {"i": header, "words": np.array([5, 6, 7])}, {"o": 21}
    )
    assert result.first["o"] - result.first["i"] == packet.Serialiser.latency
    assert result.last["o"] - result.first["o"] == 20
