"""The rules of a buffer hold for one that keeps them, and each is broken by one that does not."""

from types import ModuleType

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.counting import counting
from shotveil.gateware.formal.proof import Proof
from shotveil.gateware.primitives.stage import Stage
from shotveil.sim.proofs import formal


class Forgetful(Stage):
    """A stage whose sample does not wait, or is not the one that came."""

    def __init__(self, fault):
        self._fault = fault
        super().__init__(4)

    def elaborate(self, platform):
        m = super().elaborate(platform)
        tick = Signal(3)
        m.d.sync += tick.eq(tick + 1)
        with m.If(tick == 5):
            if self._fault == "drops":
                m.d.sync += self.o.valid.eq(0)
            elif self._fault == "repeats":
                m.d.sync += self.o.valid.eq(1)
        return m


class Bench(wiring.Component):
    """The rules around such a stage."""

    def __init__(self, fault):
        self._fault = fault
        super().__init__({"valid": In(1), "ready": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Forgetful(self._fault)
        counting(m, dut, self.valid, self.ready, 4)
        return m


@pytest.mark.parametrize("fault", ["drops", "repeats"])
def test_a_buffer_that_breaks_the_rules_is_found(fault):
    def bench(block: ModuleType) -> Bench:
        return Bench(fault)

    proof = Proof("shotveil.gateware.primitives.stage", bench, depth=20, reach=20, bugs=())
    outcome = formal.prove(proof)
    assert not outcome.holds, outcome.log
