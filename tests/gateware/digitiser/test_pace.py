"""Latency and throughput of the digitiser's blocks, measured."""

import numpy as np
import pytest

from shotveil.gateware.digitiser import payloads
from shotveil.gateware.digitiser.entry import Entry
from shotveil.gateware.digitiser.framing import DigitiserFraming
from shotveil.gateware.digitiser.matched import MatchedFilter
from shotveil.gateware.digitiser.normalisation import Normalisation
from shotveil.gateware.digitiser.phase import Phase
from shotveil.gateware.digitiser.phase_lock import PhaseLock
from shotveil.models.digitiser.spec import ROW, VACUUM, DigitiserSpec
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run

SPEC = DigitiserSpec(modes=64, row_capacity=512)


def zeros(component, n, **others):
    names = [name for name, _ in component.i.payload.shape()]
    return {name: np.zeros(n, np.int64) for name in names} | others


def play(component, given, due, settings=None, **streams):
    run = Run(settings or {}, {"i": given}, {"o": due, **streams})
    (result,) = AmaranthBench(component).run(run)
    return result


def test_entry():
    component = Entry(SPEC)
    result = play(component, zeros(component, 50), 50)
    assert result.first["o"] - result.first["i"] == Entry.latency
    assert result.last["o"] - result.first["o"] == 49


def test_matched_filter_gives_a_symbol_every_fourth_clock():
    component = MatchedFilter(SPEC)
    n = 160
    given = zeros(component, n, phase=np.arange(n) % 4)
    result = play(component, given, (n - MatchedFilter.latency) // 4)
    # The first symbol ends with the fourth sample.
    assert result.first["o"] - result.first["i"] == 3 + MatchedFilter.latency
    assert result.last["o"] - result.first["o"] == 4 * ((n - MatchedFilter.latency) // 4 - 1)


def test_framing():
    component = DigitiserFraming(SPEC)
    settings = {"row": 48, "pilots": 1, "spacing": 16, "vacuum": 6}
    mark = (np.arange(58) == 0).astype(np.int64)
    result = play(component, zeros(component, 58, mark=mark), 58, settings)
    assert result.first["o"] - result.first["i"] == DigitiserFraming.latency
    assert result.last["o"] - result.first["o"] == 57


@pytest.mark.parametrize("kind, clocks", [(ROW, 1), (VACUUM, 3)])
def test_normalisation(kind, clocks):
    component = Normalisation(SPEC)
    given = zeros(component, 40, kind=np.full(40, kind))
    result = play(component, given, 40, {"scale_x": 1, "scale_p": 1})
    assert result.first["o"] - result.first["i"] == Normalisation.latency
    assert result.last["o"] - result.first["o"] == 39 * clocks


def test_a_row_passes_the_phase_and_a_pilot_pauses_it():
    component = Phase(SPEC)
    pilot = zeros(component, 21, kind=np.where(np.arange(21) == 0, 0, ROW))
    result = play(component, pilot, 21, {"phase_shift": 1}, phases=1)
    # Queue and register behind the pipeline: at least two clocks more, and two a symbol.
    assert result.first["o"] - result.first["i"] >= component.latency + 2
    assert result.last["i"] - result.first["i"] == component.pause + 20
    assert result.last["o"] - result.first["o"] <= component.pause + 2 * 20 + 2


def test_phase_lock():
    one = DigitiserSpec(quadratures=1, modes=64, row_capacity=512)
    component = PhaseLock(one)
    assert [name for name, _ in payloads.phases(one)] == ["angle", "bad"]
    result = play(component, zeros(component, 1), 1, {"span": 100})
    assert result.first["o"] - result.first["i"] == PhaseLock.latency
