"""The compiled bench: clocks, pauses and words of 64 bits. What both have in common: `test_run`."""

import numpy as np
import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shotveil.models.common.checks import RangeError
from shotveil.sim.engines.run import Ports, Run, Timeout
from shotveil.sim.engines.verilator_bench import HEADER, VerilatorBench, bench_text
from tests.sim.engines.test_run import Adder

SAMPLES = {"value": np.arange(20), "mark": np.arange(20) % 2}


@pytest.fixture(scope="module")
def bench():
    return VerilatorBench(Adder(), "adder")  # as in `test_run`: compiled once for both


def test_without_pauses_a_sample_passes_in_every_clock(bench):
    (result,) = bench.run(Run({"offset": 3}, {"i": SAMPLES}, {"o": 20}, linger=5))
    assert result.last["i"] - result.first["i"] == 19
    assert result.last["o"] - result.first["o"] == 19
    assert result.first["o"] - result.first["i"] == 1
    assert result.outputs["o"]["value"].tolist() == list(range(3, 23))
    assert result.outputs["o"]["mark"].tolist() == SAMPLES["mark"].tolist()
    assert result.status == {"seen": 20, "negative": -3}
    assert 5 < result.clocks - result.last["o"] < 12 and result.seconds > 0


def test_pauses_are_as_often_as_said_on_the_streams_named(bench):
    many = {"value": np.zeros(4000, int), "mark": np.zeros(4000, int)}
    stalls = [Run({}, {"i": many}, {"o": 4000}, stall={name: 0.5}, seed=5) for name in "io"]
    seeds = [Run({}, {"i": SAMPLES}, {"o": 20}, stall=0.5, seed=seed) for seed in (1, 1, 2, 3)]
    results = bench.run(*stalls, *seeds)  # at once: a simulator takes its time to start
    for result in results[:2]:
        took = result.last["o"] - result.first["i"]
        assert 2 * 4000 * 0.94 < took < 2 * 4000 * 1.06
    ends = [result.last["o"] for result in results[2:]]
    assert ends[0] == ends[1] and len(set(ends)) > 1


def test_settings_stay_until_they_are_set_again(bench):
    results = bench.run(
        Run({"offset": -4}, {"i": SAMPLES}, {"o": 20}),
        Run({}, {"i": SAMPLES}, {"o": 20}),
        Run({"offset": 5}, {"i": SAMPLES}, {"o": 20}),
    )
    assert [r.outputs["o"]["value"][0] for r in results] == [-4, -4, 5]
    assert [r.status["seen"] for r in results] == [20, 40, 60]


def test_a_run_that_does_not_end_is_given_up(bench):
    with pytest.raises(Timeout, match=r"output \{'o': 20\}, due \{'o': 21\}"):
        bench.run(Run({}, {"i": SAMPLES}, {"o": 21}, timeout=60))


def test_what_a_design_has_no_port_for_is_refused(bench):
    for run, name in (
        (Run({"gain": 1}), "gain"),
        (Run({}, {"j": np.array([1])}), "j"),
        (Run({}, {}, {"p": 1}), "p"),
    ):
        with pytest.raises(ValueError, match=rf"the design has no port \['{name}'\]"):
            bench.run(run)


def test_depth_is_checked(bench):
    deep = {"value": np.zeros((1 << 16) + 1, int), "mark": np.zeros((1 << 16) + 1, int)}
    with pytest.raises(RangeError, match="samples of i = 65537"):
        bench.run(Run({}, {"i": deep}))
    with pytest.raises(RangeError, match="samples due from o = 65537"):
        bench.run(Run({}, {}, {"o": (1 << 16) + 1}))
    for depth in (0, (1 << 24) + 1, 1.5):
        with pytest.raises(RangeError, match="depth"):
            VerilatorBench(Adder(), "adder", depth=depth)


class Wide(wiring.Component):
    """Ports of the largest widths, and streams that are always taken."""

    def __init__(self):
        super().__init__(
            {
                "level": In(signed(40)),
                "i": In(stream.Signature(64, always_ready=True)),
                "o": Out(stream.Signature(64, always_valid=True, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        return Module()


def test_the_bench_has_a_memory_for_each_stream_and_a_line_for_each_port():
    text = bench_text(Ports.of(Wide()), {"o"}, None, 100)
    assert "reg [63:0] i_memory [0:99];" in text and "reg [63:0] o_memory [0:99];" in text
    # Three words of the run, two for each of two streams, three for the setting.
    assert len(HEADER) == 3 and "reg [31:0] header [0:9];" in text
    assert "reg [31:0] status [0:8];" in text
    # 100 places need 7 bits of the counter; lines that a signature fixes are no ports.
    assert "i_memory[i_next[6:0]]" in text
    assert ".i__ready(" not in text and ".o__valid(" not in text and ".i__valid(i_valid)" in text
    assert ".level(level_setting[39:0])" in text
    # An endless stream has no extra samples; another has.
    assert "extra <= 1;" not in text
    assert "extra <= 1;" in bench_text(Ports.of(Wide()), set(), None, 100)
