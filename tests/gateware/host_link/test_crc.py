"""The CRC is checked and appended as by the model, to the bit, and at the pace that is promised."""

import pytest

from shotveil.gateware.host_link import crc, packet
from shotveil.sim.cases.host_link import judged, tokens
from tests.gateware.host_link import bit_true

BLOCKS = {"check": crc.CrcCheck, "append": crc.CrcAppend}


@pytest.mark.parametrize("name", BLOCKS)
def test_in_amaranth(name):
    bit_true.in_amaranth(name)


@pytest.mark.parametrize("name", BLOCKS)
def test_an_empty_design_fails(name, monkeypatch):
    bit_true.fails_without(name, BLOCKS[name], monkeypatch)


@pytest.mark.parametrize("block, extra", [(crc.CrcCheck, 0), (crc.CrcAppend, 4)])
def test_crc(block, extra):
    given = (
        judged([bytes(100)], [packet.Fault.NONE]) if block is crc.CrcCheck else tokens([bytes(100)])
    )
    result = bit_true.play(block(), {"i": given}, {"o": 101 + extra})
    assert result.first["o"] - result.first["i"] == block.latency
    assert result.last["o"] - result.first["o"] == 100 + extra
