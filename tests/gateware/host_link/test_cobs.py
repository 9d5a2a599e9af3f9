"""Stuffing and its reverse: equal to the model to the bit, and at the pace that is promised."""

import pytest

from shotveil.gateware.host_link import cobs
from shotveil.models.host_link.cobs import encode
from shotveil.sim.cases.host_link import octets, tokens
from tests.gateware.host_link import bit_true

BLOCKS = {"decoder": cobs.Decoder, "encoder": cobs.Encoder}


@pytest.mark.parametrize("name", BLOCKS)
def test_in_amaranth(name):
    bit_true.in_amaranth(name)


@pytest.mark.parametrize("name", BLOCKS)
def test_an_empty_design_fails(name, monkeypatch):
    bit_true.fails_without(name, BLOCKS[name], monkeypatch)


def stuffed(data):
    return encode(data) + b"\0"


def test_decoder():
    frame = bytes(range(1, 200))
    result = bit_true.play(cobs.Decoder(), {"i": octets(stuffed(frame))}, {"o": 200})
    # The first byte is a code and gives nothing.
    assert result.first["o"] - result.first["i"] == 1 + cobs.Decoder.latency
    assert result.last["o"] - result.first["o"] == 199


def test_encoder():
    result = bit_true.play(cobs.Encoder(), {"i": tokens([b""])}, {"o": 2})
    assert result.first["o"] - result.first["i"] == cobs.Encoder.latency
    data = bytes([7]) * 254 * 4
    result = bit_true.play(cobs.Encoder(), {"i": tokens([data])}, {"o": len(stuffed(data))})
    assert result.last["i"] - result.first["i"] == len(data) + 4


def test_the_line_carries_bytes():
    assert len(cobs.Decoder().i.payload) == len(cobs.Encoder().o.payload) == 8
