"""What the framing promises beyond its symbols: no gap in a frame, back-to-back frames, latency."""

import numpy as np
import pytest

from shotveil.gateware.drive.framing import LENGTHS, DriveFraming
from shotveil.models.drive import framing
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.drive import both, pairs
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.equality import Case, check
from shotveil.sim.engines.run import Run
from tests.gateware.drive import bit_true

SPEC = DriveSpec(row_capacity=64)
LAYOUT = FrameLayout(preamble=4, row=12, pilots=1, pilot_spacing=5, vacuum=2, guard=8)


def settings(layout, run=1):
    return {"run": run, **{name: getattr(layout, name) for name in LENGTHS}}


def bench():
    return AmaranthBench(DriveFraming(SPEC), {"o"}, "first")


def rows(count, layout=LAYOUT):
    return (
        pairs(SPEC.symbol, count * layout.row, np.random.default_rng(3))[:, 36:]
        .reshape(2, count, layout.row)
        .swapaxes(0, 1)
    )


def test_latency():
    for length in (4, 5, 12):
        layout = FrameLayout(preamble=4, row=length, pilots=0, vacuum=0, guard=8)
        run = Run(settings(layout), {"i": both(rows(1, layout))}, {"o": layout.length})
        (result,) = bench().run(run)
        assert result.first["o"] - result.last["i"] == DriveFraming(SPEC).latency


def test_a_frame_waits_for_its_whole_row_and_then_has_no_gap():
    """The last symbol comes long after the others: nothing of the frame leaves before it."""
    given = rows(3)
    symbols = both(given)
    due = {"o": 3 * LAYOUT.length + 1200}
    # Nearly always pausing at the input, never at the output.
    run = Run(settings(LAYOUT), {"i": symbols}, due, stall={"i": 0.95}, seed=7)
    frames = framing.model(SPEC, LAYOUT, given)
    marks = np.zeros((3, LAYOUT.length), dtype=np.int64)
    marks[:, 0] = 1
    expected = {"i": frames[:, 0].ravel(), "q": frames[:, 1].ravel(), "first": marks.ravel(),
                "reference": np.tile(framing.is_reference(LAYOUT), 3).astype(np.int64)}  # fmt: skip
    (result,) = check(bench(), [Case(run, {"o": expected}, framed=LAYOUT.length)])
    (starts,) = np.nonzero(result.outputs["o"]["first"])
    assert np.diff(starts).min() > LAYOUT.length  # there were gaps between frames


def test_frames_follow_back_to_back_one_symbol_a_clock():
    count = 6
    run = Run(settings(LAYOUT), {"i": both(rows(count))}, {"o": count * LAYOUT.length})
    (result,) = bench().run(run)
    (starts,) = np.nonzero(result.outputs["o"]["first"])
    np.testing.assert_array_equal(starts, np.arange(count) * LAYOUT.length)
    assert result.last["o"] - result.first["o"] == count * LAYOUT.length - 1


def test_run_holds_frames_back_but_completes_the_one_on_its_way():
    waiting, running, stopped = bench().run(
        Run(settings(LAYOUT, run=0), {"i": both(rows(3))}),
        Run(settings(LAYOUT), {}, {"o": 5}, linger=0),  # the frame has started
        Run(settings(LAYOUT, run=0), {}, {}, linger=100),
    )
    assert (waiting.status["buffered"], waiting.status["busy"]) == (36, 0)
    assert running.status["busy"] == 1
    # One row left with its frame, two are still there.
    assert (stopped.status["buffered"], stopped.status["busy"]) == (24, 0)


def test_a_row_as_long_as_the_buffer():
    layout = FrameLayout(preamble=4, row=64, pilots=0, vacuum=0, guard=8)
    given = rows(3, layout)
    run = Run(
        settings(layout), {"i": both(given)}, {"o": 3 * layout.length + 300}, stall={"o": 0.5}
    )
    (result,) = bench().run(run)
    (starts,) = np.nonzero(result.outputs["o"]["first"])
    assert len(starts) == 3
    for start, row in zip(starts, given, strict=True):
        np.testing.assert_array_equal(result.outputs["o"]["q"][start + 4 : start + 68], row[1])


def test_a_full_buffer_stalls_the_host():
    run = Run(settings(LAYOUT, run=0), {"i": both(rows(7))}, timeout=300)
    with pytest.raises(AssertionError, match="after 301 clocks"):
        bench().run(run)


def test_in_amaranth():
    bit_true.in_amaranth("framing")


def test_as_verilog():
    bit_true.as_verilog("framing")


def test_an_empty_design_fails(monkeypatch):
    bit_true.fails_if_empty("framing", monkeypatch)


def test_no_frame_starts_while_it_is_held():
    given = rows(1)
    waits = Run({**settings(LAYOUT), "hold": 1}, {"i": both(given)}, linger=100)
    leaves = Run({"hold": 0}, {}, {"o": LAYOUT.length})
    due = both(framing.model(SPEC, LAYOUT, given))
    check(
        bench(),
        [
            Case(waits, status={"busy": 0, "buffered": LAYOUT.row}),
            Case(leaves, {"o": due}, {"buffered": 0}),
        ],
    )


def test_a_blank_frame_carries_zeros_and_leaves_the_row_where_it_is():
    given = rows(1)
    loaded = Run({**settings(LAYOUT, run=0), "blank": 1}, {"i": both(given)})
    blank = Run({"run": 1}, {}, {"o": LAYOUT.length}, linger=0)
    due = both(framing.model(SPEC, LAYOUT, 0 * given))
    check(bench(), [Case(loaded), Case(blank, {"o": due}, {"buffered": LAYOUT.row})])
