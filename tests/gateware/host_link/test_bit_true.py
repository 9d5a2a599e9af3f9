"""Every block of the host link gives what its model says, to the bit: in Amaranth's simulator and
as Verilog under cocotb and Verilator, with and without pauses; and the proof that it can fail."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module

from shotveil.gateware.host_link import cobs, crc, credits, endpoint, link, packet
from shotveil.sim.cases.host_link import BLOCKS, LinkInSurroundings, link_case
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import check
from shotveil.sim.engines.verilator_bench import VerilatorBench
from shotveil.sim.proofs.link_soak import soak

SMALL = 20


def stalled(cases, stall, seed):
    return [replace(case, run=replace(case.run, stall=stall, seed=seed)) for case in cases]


def cases(name, size, seed=4):
    return BLOCKS[name].cases(size, np.random.default_rng(seed))


@pytest.mark.parametrize("name", [name for name in BLOCKS if name != "link"])
def test_in_amaranth(name):
    given = cases(name, SMALL)
    bench = AmaranthBench(BLOCKS[name].component())
    check(bench, given)
    check(bench, stalled(given, 0.35, seed=8))


def test_link_in_amaranth():
    check(AmaranthBench(LinkInSurroundings()), cases("link", 0))


@pytest.fixture(scope="module")
def verilated_link():
    return VerilatorBench(LinkInSurroundings(), "host_link", depth=1 << 22)


@pytest.mark.parametrize("stall", [0.0, 0.35])
def test_link_as_verilog(verilated_link, stall):
    given = cases("link", 1000, seed=6)
    (result,) = check(verilated_link, stalled(given, stall, seed=9))
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


GUTTED = {
    "decoder": cobs.Decoder,
    "encoder": cobs.Encoder,
    "check": crc.CrcCheck,
    "append": crc.CrcAppend,
    "store": packet.Store,
    "serialiser": packet.Serialiser,
    "link": link.HostLink,
    "link without endpoint": endpoint.Endpoint,
    "link without credits": credits.Credits,
}


@pytest.mark.parametrize("name", GUTTED)
def test_an_empty_design_fails(name, monkeypatch):
    monkeypatch.setattr(GUTTED[name], "elaborate", lambda self, platform: Module())
    block = BLOCKS[name.split()[0]]
    given = block.cases(0, np.random.default_rng(1))
    given = [replace(case, run=replace(case.run, timeout=8000)) for case in given]
    with pytest.raises(AssertionError):
        check(AmaranthBench(block.component()), given)
