"""Proof: a stage passes on every sample once and in order, and holds it until it is taken."""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Assert, Cover, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.counting import counting
from shotveil.gateware.formal.proof import Bug, Proof

WIDTH = 4


class StageBench(wiring.Component):
    """Feeds 0, 1, 2, … and expects them back. Samples are only moved, so their values prove all."""

    def __init__(self, block: ModuleType):
        self.dut = block.Stage(WIDTH)
        super().__init__({"valid": In(1), "ready": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        sent, received, waiting = counting(m, dut, self.valid, self.ready, WIDTH)
        m.d.comb += Assert((sent - received)[:WIDTH] == dut.o.valid)
        m.d.comb += [
            Cover(received == 3),
            Cover(waiting & dut.i.valid & dut.o.valid & dut.o.ready),
        ]
        return m


PROOF = Proof(
    block="shotveil.gateware.primitives.stage",
    bench=StageBench,
    depth=4,
    reach=12,
    bugs=(
        Bug(
            "a sample is taken while another waits",
            "with m.If(~self.o.valid):",
            "with m.If(self.i.valid):",
        ),
        Bug(
            "a sample is ready when it is not",
            "self.i.ready.eq(~self.o.valid)",
            "self.i.ready.eq(~self.o.valid | self.o.ready)",
        ),
    ),
)
