"""Proof: a pipeline's handshake keeps all samples in order, and a waiting sample stays the same."""

from __future__ import annotations

from types import ModuleType

from amaranth.hdl import Assert, Cover, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.gateware.formal.counting import counting
from shotveil.gateware.formal.proof import Bug, Proof

WIDTH = 4
LATENCY = 3


class Pipe(wiring.Component):
    """The smallest pipeline: it only moves samples."""

    def __init__(self, block: ModuleType):
        self._block = block
        super().__init__(
            {
                "i": In(stream.Signature(WIDTH)),
                "o": Out(stream.Signature(WIDTH)),
                **{f"stage_{n}": Out(WIDTH) for n in range(LATENCY)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        enable = self._block.flow(m, self.i, self.o, LATENCY)
        taken = self.i.payload
        for n in range(LATENCY):
            taken = self._block.delay(m, taken, 1, enable)
            m.d.comb += getattr(self, f"stage_{n}").eq(taken)
        m.d.comb += self.o.payload.eq(taken)
        return m


class PipelineBench(wiring.Component):
    """Feeds 0, 1, 2, … and expects them back. Samples are only moved, so their values prove all."""

    def __init__(self, block: ModuleType):
        self.dut = Pipe(block)
        super().__init__(
            {
                "valid": In(1),
                "ready": In(1),
                "valids": In(LATENCY),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        sent, received, waiting = counting(m, dut, self.valid, self.ready, WIDTH)
        # Free places are used: a pipeline that is not full takes a sample whenever it can move.
        with m.If(dut.o.ready):
            m.d.comb += Assert(dut.i.ready)

        # Inside: each stage holds the sample that follows those ahead of it.
        ahead = received
        for n in reversed(range(LATENCY)):
            with m.If(self.valids[n]):
                m.d.comb += Assert(getattr(dut, f"stage_{n}") == ahead[:WIDTH])
            ahead = ahead + self.valids[n]
        m.d.comb += Assert(sent == ahead[:WIDTH])

        m.d.comb += [
            Cover(received == 5),
            Cover(waiting & self.valids.all() & dut.o.ready),
            Cover((received > 1) & ~self.valids.any()),
        ]
        return m


PROOF = Proof(
    block="shotveil.gateware.primitives.pipeline",
    bench=PipelineBench,
    depth=3,
    reach=14,
    peek={"valids": "dut.valid"},
    bugs=(
        Bug("a waiting sample is overwritten", "o.ready | ~valid[-1]", "o.ready | ~valid[0]"),
        Bug("a full pipeline takes samples", "i.ready.eq(enable)", "i.ready.eq(1)"),
        Bug(
            "data move without their valid bits",
            "if enable is None else m.If(enable):",
            "if enable is None else m.If(1):",
        ),
    ),
)
