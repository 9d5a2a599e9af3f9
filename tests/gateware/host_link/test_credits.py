"""What a write port could take is told as by the model; within the link, and by itself."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from shotveil.gateware.host_link.credits import Credits
from shotveil.models.common.checks import RangeError
from tests.gateware.host_link import bit_true


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("link", Credits, monkeypatch)


@pytest.mark.parametrize("ports", [1, 3])
def test_limits_against_plain_counts(ports):
    """Random requests, of which some are carried out, and sessions that begin anew."""
    rng = np.random.default_rng(1)
    dut = Credits(ports)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def bench(ctx):
        sent = [0] * ports
        fits = limit = None
        for _ in range(2000):
            port, count = int(rng.integers(ports)), int(rng.integers(257))
            room = count + int(rng.integers(-1, 2)) if rng.random() < 0.5 else 60_000
            room = max(room, 0)
            take, clear = rng.random() < 0.6, rng.random() < 0.01
            for name, value in (("port", port), ("count", count), ("room", room),
                                ("take", take), ("clear", clear)):  # fmt: skip
                ctx.set(getattr(dut, name), value)
            if fits is not None:
                assert (ctx.get(dut.fits), ctx.get(dut.limit)) == (fits, limit)
            fits, limit = count <= room, (sent[port] + room) % 65536
            await ctx.tick()
            if clear:
                sent = [0] * ports
            elif take:
                sent[port] = (sent[port] + count) % 65536

    simulator.add_testbench(bench)
    simulator.run()


def test_ports_have_ends():
    Credits(16)
    for ports in (0, 17, 1.5):
        with pytest.raises(RangeError, match="ports = "):
            Credits(ports)
