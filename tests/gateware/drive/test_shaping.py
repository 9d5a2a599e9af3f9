"""Pulses are shaped: equal to the model to the bit, and at the pace that is promised."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.gateware.drive.shaping import Shaping
from shotveil.gateware.primitives.multiplier import Primitive
from shotveil.models.drive import shaping
from shotveil.sim.cases.drive import both, stalled
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import Case, check
from shotveil.sim.engines.run import Run
from tests.gateware.drive import bit_true


def test_in_amaranth():
    bit_true.in_amaranth("shaping")


def test_as_verilog():
    bit_true.as_verilog("shaping")


@pytest.mark.parametrize("span", [8, 7, 2])
def test_in_the_dsp_blocks_of_zynq(span):
    spec = replace(bit_true.SPEC, taps=4 * span)
    label = f"zynq_{span}"
    bench = bit_true.verilator("shaping", spec, primitive=Primitive.ZYNQ, label=label)
    check(bench, bit_true.cases("shaping", 2000, spec))
    check(bench, stalled(bit_true.cases("shaping", 2000, spec, seed=5), 0.35, seed=9))


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("shaping", monkeypatch)


@pytest.mark.parametrize("spec", bit_true.SPECS)
def test_it_takes_a_symbol_every_few_clocks_and_never_pauses(spec):
    component = Shaping(spec)
    samples = 100 * spec.samples_per_symbol
    given = bit_true.zeros(("i", "q", "fault", "first"), 100)
    (result,) = AmaranthBench(component).run(Run({}, {"i": given}, {"o": samples}))
    assert result.first["o"] - result.first["i"] == component.latency
    assert result.last["o"] - result.first["o"] == samples - 1
    assert result.last["i"] - result.first["i"] == 99 * spec.samples_per_symbol


@pytest.mark.parametrize("taken", [1, 10, bit_true.SPEC.taps - 1])
def test_a_load_that_stopped_short_is_told_and_the_next_one_lands_in_place(taken):
    """`partial` stays high through a `rewind`, until all taps have been loaded."""
    spec, rng = bit_true.SPEC, np.random.default_rng(taken)
    taps = rng.integers(-2000, 2000, spec.taps)
    symbols = rng.integers(-9000, 9000, (2, 30))
    quiet = np.zeros(30, np.int64)
    out, limited = shaping.model(spec, taps, symbols, quiet > 0)
    given = {"i": {**both(symbols), "fault": quiet, "first": quiet}}
    due = {**both(out), "fault": limited.astype(np.int64)}
    check(
        AmaranthBench(Shaping(spec)),
        [
            Case(Run({"rewind": 0}, {"coefficients": taps[:taken]}), status={"partial": 1}),
            Case(Run({"rewind": 1}), status={"partial": 1}),
            Case(Run({"rewind": 0}, {"coefficients": taps}), status={"partial": 0}),
            Case(Run({}, given, {"o": out.shape[-1]}), {"o": due}),
        ],
    )
