"""The matched filter at symbol rate: to the bit, and at the pace that is promised."""

import numpy as np
import pytest

from shotveil.gateware.digitiser.matched import MatchedFilter
from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.sim.cases.drive import stalled
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import Case, check
from shotveil.sim.engines.run import Run
from tests.gateware.digitiser import bit_true


@pytest.mark.parametrize("quadratures", [2, 1])
def test_in_amaranth(quadratures):
    bit_true.in_amaranth("matched", quadratures)


def test_two_samples_a_symbol_in_amaranth():
    bit_true.in_amaranth("matched", 2, bit_true.BRISK)


def test_as_verilog():
    bit_true.as_verilog("matched")


@pytest.mark.parametrize("spec", [bit_true.SPECS[2], bit_true.SPECS[1], bit_true.BRISK[2]])
def test_in_the_dsp_blocks_of_zynq(spec):
    bench = bit_true.verilator("matched", spec, Primitive.ZYNQ)
    check(bench, bit_true.cases("matched", 4000, spec))
    check(bench, stalled(bit_true.cases("matched", 2000, spec, seed=5), 0.35, seed=9))


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_without("matched", MatchedFilter, monkeypatch)


def test_a_symbol_every_fourth_clock():
    component = MatchedFilter(bit_true.SPECS[2])
    n = 160
    given = bit_true.zeros(component, n, phase=np.arange(n) % 4)
    result = bit_true.play(component, given, (n - MatchedFilter.latency) // 4)
    # The first symbol ends with the fourth sample.
    assert result.first["o"] - result.first["i"] == 3 + MatchedFilter.latency
    assert result.last["o"] - result.first["o"] == 4 * ((n - MatchedFilter.latency) // 4 - 1)


@pytest.mark.parametrize("taken", [1, 700])
def test_a_load_that_stopped_short_is_told_and_the_next_one_lands_in_place(taken):
    """`partial` stays high through a `rewind`, until all taps have been loaded."""
    spec = bit_true.SPECS[1]
    whole, *rest = bit_true.cases("matched", 40, spec)
    some = np.asarray(whole.run.inputs["coefficients"])[:taken]
    check(
        AmaranthBench(MatchedFilter(spec)),
        [
            Case(Run({"rewind": 0}, {"coefficients": some}), status={"partial": 1}),
            Case(Run({"rewind": 1}), status={"partial": 1}),
            Case(Run({"rewind": 0}, whole.run.inputs), status={"partial": 0}),
            *rest,
        ],
    )


def test_a_frame_that_begins_within_a_symbol_takes_nothing_of_it():
    """Symbols from the mark on are what they would be without the samples before it."""
    spec = bit_true.SPECS[1]
    rng = np.random.default_rng(2)
    n, before = 160, 6
    samples = rng.integers(-4000, 4000, before + n)
    phase = np.concatenate([np.arange(before) % 4, np.arange(n) % 4])
    mark = (np.arange(before + n) == before).astype(np.int64)
    due = (n - MatchedFilter.latency) // 4
    got = []
    for start, more in ((before, 0), (0, 1)):  # one symbol ends before the mark
        component = MatchedFilter(spec)
        fields = {"x": samples[start:], "phase": phase[start:], "mark": mark[start:]}
        given = bit_true.zeros(component, len(samples[start:]), **fields)
        result = bit_true.play(component, given, due + more)
        begins = int(np.nonzero(result.outputs["o"]["mark"])[0][0])
        got.append(result.outputs["o"]["x"][begins:])
    assert len(got[0]) > 20
    np.testing.assert_array_equal(got[0], got[1])
