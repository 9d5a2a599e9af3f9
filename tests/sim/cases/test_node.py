"""Stimuli for a node's blocks: clock by clock, with models that see the same clocks."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.models.node import sequencer
from shotveil.sim.cases.node import (
    BLOCKS,
    DRAIN,
    SMALL,
    Clocked,
    frames_of,
    pulses,
    sequencer_cases,
)
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run


def rng():
    return np.random.default_rng(4)


class Counting(wiring.Component):
    """Adds `step` in each clock in which `go` is high; a stream has every total."""

    def __init__(self):
        super().__init__(
            {
                "go": In(1),
                "step": In(4),
                "total": Out(8),
                "seen": Out(8),
                "all": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        total, clocks = Signal(8), Signal(8)
        m.d.sync += clocks.eq(clocks + 1)
        with m.If(self.go):
            m.d.sync += total.eq(total + self.step)
        m.d.comb += [self.total.eq(total), self.seen.eq(clocks)]
        m.d.comb += [self.all.p.eq(total), self.all.valid.eq(1)]
        return m


@pytest.mark.parametrize("stall", [0, 0.4])
def test_pauses_stop_the_blocks_clock(stall):
    go = np.array([1, 0, 1, 1, 0, 1])
    bench = AmaranthBench(Clocked(Counting(), ("step",), ("seen",)))
    run = Run({"step": 3}, {"i": {"go": go}}, {"o": 6, "all": 6}, stall={"i": stall, "o": stall})
    (result,) = bench.run(run)
    # The block rests but for the six clocks that it was given.
    assert result.outputs["o"]["total"].tolist() == [0, 3, 3, 6, 9, 9]
    assert result.outputs["all"].tolist() == [0, 3, 3, 6, 9, 9]
    assert result.status == {"seen": 6}


def test_a_block_without_outputs_still_beats():
    class Silent(wiring.Component):
        def __init__(self):
            super().__init__({"go": In(1)})

        def elaborate(self, platform):
            return Module()

    (result,) = AmaranthBench(Clocked(Silent())).run(
        Run({}, {"i": {"go": np.array([1, 0, 1])}}, {"o": 3})
    )
    assert result.outputs["o"]["beat"].tolist() == [1, 1, 1]


def test_pulses_are_as_many_as_said():
    found = pulses(20_000, 0.2, rng())
    assert set(np.unique(found)) == {0, 1} and found.mean() == pytest.approx(0.2, abs=0.02)
    assert not pulses(100, 0.0, rng()).any() and pulses(100, 1.0, rng()).all()


def test_frames_start_where_the_sequencer_lets_them():
    n = 600
    names = ("stop", "clear", "link_fault", "tripped", "starved", "started", "busy")
    i = {name: np.zeros(n, np.int64) for name in names}
    i |= {"start": pulses(n, 0.05, rng()), "alive": np.ones(n, np.int64)}
    i["arm"] = np.ones(n, np.int64)
    i["arm"][:2] = 0
    setup = {"grant": 5, "lead_in": 1, "watchdog": 1}
    outputs = frames_of(sequencer.SequencerModel(DRAIN), i, setup, rng())
    assert len(outputs) == n and i["started"].sum() > 3 and not i["started"][-2:].any()
    starts = np.nonzero(i["started"])[0]
    run = np.array([out.run for out in outputs])
    assert run[starts - 1].all() or run[starts - 2].any()
    assert np.diff(starts).min() > sequencer.MARGIN
    # A frame is on its way from the clock behind its start on.
    assert all(i["busy"][k + 1] for k in starts[starts < n - 1])
    assert not i["busy"][: starts[0] + 1].any()


def test_batches_end_in_every_way():
    cases = sequencer_cases(2000, rng())
    assert [case.run.settings["grant"] for case in cases] == [3, 0, 5, 1 << 23, 7]
    assert [case.run.settings["watchdog"] for case in cases] == [1, 1, 1, 1, 0]
    faults = np.concatenate([case.expected["o"]["fault"] for case in cases])
    assert len(np.unique(faults)) > 3
    for case in cases[:3]:
        assert case.expected["o"]["left"].max() <= max(case.run.settings["grant"], 1)
    assert all(case.run.linger == 0 for case in cases)


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_cases_repeat_by_their_seed_and_ask_for_what_they_expect(name):
    block = BLOCKS[name]
    cases, again = (block.cases(50, rng()) for _ in range(2))
    assert cases
    component = block.component()
    ports = set(component.signature.members)
    for one, other in zip(cases, again, strict=True):
        assert {*one.run.settings, *one.run.inputs, *one.run.due, *one.status} <= ports
        assert one.run.settings == other.run.settings and one.status == other.status
        if name != "row_store":  # which keeps what it is given
            for values in one.run.inputs["i"].values():
                assert len(values) == one.run.due["o"]  # a word of outputs for each of inputs
        for stream_name, expected in one.expected.items():
            parts = expected if isinstance(expected, dict) else {"": expected}
            others = other.expected[stream_name]
            others = others if isinstance(others, dict) else {"": others}
            for part, values in parts.items():
                np.testing.assert_array_equal(values, others[part])
                assert len(values) == one.run.due[stream_name]
    assert {x.run.due["o"] for x in cases} and SMALL.capture == 64
