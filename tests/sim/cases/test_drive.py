"""Stimuli for the drive take every path: corners, seeds, layouts, and what their models say."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.models.common.fixedpoint import Q
from shotveil.models.drive.spec import DriveSettings, DriveSpec
from shotveil.models.networks.network import load_network
from shotveil.sim.cases.drive import (
    BLOCKS,
    UNEVEN,
    both,
    chain_cases,
    corners,
    framing_cases,
    layouts,
    pairs,
    stalled,
    unstopped,
    weight_symbols,
)

SPEC = DriveSpec(row_capacity=512)
FORMAT = Q(1, 3)


def rng():
    return np.random.default_rng(4)


def test_corners_are_all_pairs_of_extremes():
    low, high = FORMAT.lowest, FORMAT.highest
    values = {low, low + 1, -1, 0, 1, high}
    found = corners(FORMAT)
    assert {tuple(pair) for pair in found.T} == {(a, b) for a in values for b in values}
    assert found.shape == (2, 36)
    more = pairs(FORMAT, 2000, rng())
    np.testing.assert_array_equal(more[:, :36], found)
    assert more.shape == (2, 2036) and set(np.unique(more)) == set(range(low, high + 1))
    # Both of a pair are drawn by themselves.
    assert abs(np.corrcoef(more[:, 36:])[0, 1]) < 0.1


def test_fields_keep_the_order_of_frames():
    samples = np.arange(12).reshape(2, 2, 3)
    assert both(samples)["i"].tolist() == [0, 1, 2, 6, 7, 8]
    assert both(samples)["q"].tolist() == [3, 4, 5, 9, 10, 11]


def test_weights_are_divided_by_one_constant():
    symbols = weight_symbols()
    weights = load_network("mnist").layers[0].weights
    assert symbols.shape == (len(weights), 2, 392)
    assert np.abs(symbols).max() <= 1 and np.abs(symbols).max() > 0.9
    np.testing.assert_array_equal(weight_symbols(3), symbols[:3])
    scale = np.abs(symbols).max() / np.abs(weights).max()
    flat = symbols[5].T.ravel()[: weights.shape[1]]
    np.testing.assert_allclose(np.abs(flat).max(), scale * np.abs(weights[5]).max(), rtol=1e-6)


def test_pauses_leave_the_cases_as_they_are():
    cases = framing_cases(SPEC, 0, rng())
    paused = stalled(cases, 0.25, 7)
    assert [case.run.seed for case in paused] == list(range(7, 7 + len(cases)))
    assert {case.run.stall for case in paused} == {0.25}
    for before, after in zip(cases, paused, strict=True):
        assert after.expected is before.expected and after.run.inputs is before.run.inputs
        assert before.run.stall == 0
        assert replace(after.run, stall=0.0, seed=before.run.seed) == before.run


def test_layouts_take_every_path_of_the_framing():
    found = layouts(SPEC)
    assert {layout.pilots for layout in found} >= {0, 1, 2, 3}
    assert {layout.vacuum for layout in found} >= {0, 1, 2}
    assert min(layout.row for layout in found) == 1 and min(x.guard for x in found) == 2
    assert any(layout.row < layout.pilot_spacing for layout in found)
    assert any(layout.row % layout.pilot_spacing for layout in found if layout.pilots)
    assert any(not layout.row % layout.pilot_spacing for layout in found if layout.pilots)
    # Not all guard bands hold the whole pulse, one holds a symbol more.
    assert {layout.guard for layout in found} == {2, SPEC.span, SPEC.span + 1}


def test_faults_are_counted_where_they_do_not_stop():
    kept = unstopped(DriveSettings(arms=UNEVEN))
    assert not kept.stop_on_fault and not kept.stop_on_saturation and kept.arms == UNEVEN
    assert UNEVEN[0] != UNEVEN[1] and UNEVEN[0].bias and UNEVEN[1].bias


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_cases_repeat_by_their_seed_and_ask_for_what_they_expect(name):
    block = BLOCKS[name]
    cases, again = (block.cases(SPEC, 0, rng()) for _ in range(2))
    assert cases and len(cases) == len(again)
    ports = set(block.component(SPEC).signature.members)
    for one, other in zip(cases, again, strict=True):
        assert one.run.settings == other.run.settings and one.status == other.status
        for stream, expected in one.expected.items():
            assert one.run.due[stream] >= max(np.size(v) for v in expected.values())
            for part, values in expected.items():
                np.testing.assert_array_equal(values, other.expected[stream][part])
        assert {*one.run.settings, *one.run.inputs, *one.run.due, *one.status} <= ports
        assert one.run.stall == 0
    if name != "chain":  # whose models take their time
        assert _samples(block.cases(SPEC, 1000, rng())) > _samples(cases)
    assert any(case.expected for case in cases)


def _samples(cases):
    return sum(sum(case.run.due.values()) for case in cases)


def test_the_chain_is_driven_into_every_fault():
    status = [case.status for case in chain_cases(SPEC, 0, rng()) if "tripped" in case.status]
    assert len(status) == 4
    for name in ("clipped", "refused", "saturated"):
        counts = [s[name] for s in status]
        assert counts[0] == 0 and max(counts) > 0, name
        for s in status:
            assert s[f"{name}_flag"] == int(s[name] > 0)
    assert [s["tripped"] for s in status] == [0, 0, 0, 1]
