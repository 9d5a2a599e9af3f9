"""The proofs' runner, on a counter whose truths are known."""

from types import ModuleType

import pytest
from amaranth.hdl import Assert, ClockDomain, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shotveil.gateware.formal.proof import Bug, Proof
from shotveil.models.common.checks import RangeError
from shotveil.sim.proofs import formal


class Counts(wiring.Component):
    """Counts to `end` and stays; claims never to pass `claim`, and to reach `cover`."""

    def __init__(self, end=5, claim=5, cover=5, clocked=True):
        self.end, self.claim, self.cover, self.clocked = end, claim, cover, clocked
        super().__init__({"step": In(1)})

    def elaborate(self, platform):
        m = Module()
        if not self.clocked:
            m.domains.sync = ClockDomain()
        count = Signal(4)
        with m.If(self.step & (count != self.end)):
            m.d.sync += count.eq(count + 1)
        m.d.comb += [Assert(count <= self.claim), Cover(count == self.cover)]
        return m


def proof(**given):
    return Proof(
        "shotveil.gateware.primitives.pipeline",
        lambda block: Counts(**given),
        depth=2,
        reach=10,
        bugs=(),
    )


def test_what_holds_is_proved():
    assert formal.prove(proof()).holds
    assert formal.reaches(proof()).holds


def test_what_does_not_hold_is_not():
    broken = formal.prove(proof(claim=4))
    assert not broken.holds
    assert "Assert failed" in broken.log
    assert not formal.reaches(proof(cover=6)).holds
    # True from reset on, but induction cannot know that 6 … 8 are never reached.
    assert not formal.prove(proof(claim=8)).holds


def test_a_clock_that_is_no_port_is_an_error():
    """Nothing would ever change, and everything would be proved."""
    with pytest.raises(RuntimeError, match="clock is no port"):
        formal.prove(proof(clocked=False))


def test_a_tool_that_fails_is_an_error():
    wrong = Proof(
        "shotveil.gateware.primitives.pipeline",
        lambda block: Counts(),
        2,
        2,
        (),
        peek={"step": "nothing"},
    )
    with pytest.raises(RuntimeError, match="no verdict"):
        formal.prove(wrong)


def test_a_bug_must_fit_once():
    with pytest.raises(RangeError, match="occurs 0 times"):
        Bug("nothing", "no such text", "").planted("shotveil.gateware.primitives.pipeline")
    planted = Bug("other", "latency < 1", "latency < 2").planted(
        "shotveil.gateware.primitives.pipeline"
    )
    assert isinstance(planted, ModuleType)
    with pytest.raises(ValueError, match="latency"):
        planted.flow(Module(), None, None, 1)
