"""The bench in Amaranth's simulator: clocks, pauses, endless streams, and what it refuses.

What both benches have in common is in `test_run`.
"""

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import ExtraOutput, Run, Timeout
from tests.sim.engines.test_run import Adder

SAMPLES = {"value": np.arange(20), "mark": np.arange(20) % 2}
COUNT = data.StructLayout({"value": 8, "first": 1})


class Ticker(wiring.Component):
    """Counts up in every clock, whether taken or not; every tenth value is marked `first`."""

    def __init__(self, always=False):
        signature = stream.Signature(COUNT, always_valid=always, always_ready=always)
        super().__init__({"o": Out(signature), "level": In(8), "seen": Out(8)})

    def elaborate(self, platform):
        m = Module()
        count = Signal(8)
        m.d.sync += count.eq(count + 1)
        m.d.comb += [self.o.p.value.eq(count), self.o.p.first.eq(count % 10 == 0)]
        m.d.comb += self.seen.eq(self.level)
        if not isinstance(self.o.valid, Const):
            m.d.comb += self.o.valid.eq(1)
        return m


def test_without_pauses_a_sample_passes_in_every_clock():
    (result,) = AmaranthBench(Adder()).run(Run({"offset": 3}, {"i": SAMPLES}, {"o": 20}, linger=5))
    assert result.first == {"i": 0, "o": 1} and result.last == {"i": 19, "o": 20}
    # The clock after the last sample, and five more to see that nothing comes.
    assert result.clocks == 21 + 5
    assert result.outputs["o"]["value"].tolist() == list(range(3, 23))
    assert result.status == {"seen": 20, "negative": -3}
    assert result.seconds > 0


def test_pauses_are_as_often_as_said_on_the_streams_named():
    many = {"value": np.zeros(1500, int), "mark": np.zeros(1500, int)}
    bench = AmaranthBench(Adder())
    for stall in ({"i": 0.5}, {"o": 0.5}):
        (result,) = bench.run(Run({}, {"i": many}, {"o": 1500}, stall=stall, seed=5))
        took = result.last["o"] - result.first["i"]
        assert 2 * 1500 * 0.93 < took < 2 * 1500 * 1.07
    # One seed, one course of events; another, another.
    again = [
        bench.run(Run({}, {"i": SAMPLES}, {"o": 20}, stall=0.5, seed=seed))[0].last["o"]
        for seed in (1, 1, 2, 3, 4)
    ]
    assert again[0] == again[1] and len(set(again)) > 2


def test_runs_follow_each_other_without_a_reset():
    bench = AmaranthBench(Adder())
    one = Run({"offset": 1}, {"i": SAMPLES}, {"o": 20})
    results = bench.run(one, Run({"offset": 2}, {"i": SAMPLES}, {"o": 20}), Run())
    assert [r.status["seen"] for r in results] == [20, 40, 40]
    assert results[1].outputs["o"]["value"][0] == 2
    # Each call starts from reset.
    assert bench.run(one)[0].status["seen"] == 20


def test_a_run_that_does_not_end_is_given_up():
    with pytest.raises(Timeout, match=r"after 31 clocks: output \{'o': 20\}, due \{'o': 21\}"):
        AmaranthBench(Adder()).run(Run({}, {"i": SAMPLES}, {"o": 21}, timeout=30))
    # Samples that are never taken are missed as well.
    AmaranthBench(Adder()).run(Run({}, {"i": SAMPLES}, {"o": 20}, timeout=30, linger=5))


def test_one_sample_too_many_is_extra_but_not_of_an_endless_stream():
    due = Run({}, {}, {"o": 12}, linger=3)
    with pytest.raises(ExtraOutput, match="stream o gave more than the 12 samples"):
        AmaranthBench(Ticker()).run(due)
    (result,) = AmaranthBench(Ticker(), {"o"}).run(due)
    assert result.outputs["o"]["value"].tolist() == list(range(12))
    assert result.clocks == 12 + 3 and result.last["o"] == 11


def test_collecting_starts_where_it_is_told_to():
    run = Run({"level": 9}, {}, {"o": 12})
    results = AmaranthBench(Ticker(always=True), {"o"}, "first").run(run, run)
    assert results[0].outputs["o"]["value"].tolist() == list(range(12))
    second = results[1].outputs["o"]["value"].tolist()
    assert second[0] % 10 == 0 and second == list(range(second[0], second[0] + 12))
    assert results[1].first["o"] == (second[0] - results[0].clocks) % 256
    assert results[1].status["seen"] == 9


def test_a_waveform_is_written_when_asked_for(tmp_path):
    file = tmp_path / "adder.vcd"
    bench = AmaranthBench(Adder())
    bench.run(Run({}, {"i": SAMPLES}, {"o": 20}))
    assert not file.exists()
    bench.run(Run({}, {"i": SAMPLES}, {"o": 20}), waveform=file)
    text = file.read_text()
    assert "$enddefinitions" in text and "seen" in text
    assert "#8000" in text  # clocks of 8 ns
