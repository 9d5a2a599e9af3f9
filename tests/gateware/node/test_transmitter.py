"""What lets light out: as many frames as were granted, to the bit the drive's, and then zero."""

import numpy as np
import pytest
from amaranth.hdl import Module

from shotveil.gateware.drive.chain import settings
from shotveil.gateware.node.transmitter import BatchTransmitter
from shotveil.models.drive import chain
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers
from shotveil.models.node.sequencer import SequencerState
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.drive import both
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run

SPEC = DriveSpec(row_capacity=64)
LAYOUT = FrameLayout(preamble=4, row=10, pilots=1, pilot_spacing=5, vacuum=2, guard=SPEC.span)
RAW = registers(SPEC, DriveSettings(layout=LAYOUT))
DRIVE = {name: value for name, value in settings(RAW).items() if name != "run"}  # not ours
IDLE = {
    **DRIVE, "clear": 0, "clear_angles": 0, "arm": 0, "start": 0, "stop": 0, "alive": 1,
    "link_fault": 0, "grant": 2, "lead_in": 1, "watchdog": 1, "trigger": 0, "triggered": 0,
    "trigger_delay": 0, "hold": 0, "drop": 0,
}  # fmt: skip
ROWS = np.random.default_rng(1).integers(-20000, 20000, (3, 2, 10))
FRAME = LAYOUT.length * SPEC.samples_per_symbol


def play(**changes):
    """The outputs of a batch for which three rows are there."""
    go = IDLE | {"arm": 1, "start": 1} | changes
    bench = AmaranthBench(BatchTransmitter(SPEC), {"o"})
    _, result = bench.run(Run(IDLE, linger=4), Run(go, {"i": both(ROWS)}, {"o": 6 * FRAME}))
    return result


def test_a_batch_is_its_lead_in_and_its_grant():
    result = play()
    out = result.outputs["o"]
    (starts,) = np.nonzero(out["first"])
    assert len(starts) == 3
    # Frames follow each other; the row that was not granted stays.
    due = chain.model(SPEC, RAW, np.concatenate([np.zeros((1, 2, 10), int), ROWS[:2]])).codes
    for start, frame in zip(starts, due, strict=True):
        np.testing.assert_array_equal(out["i"][start : start + FRAME], frame[0])
        np.testing.assert_array_equal(out["q"][start : start + FRAME], frame[1])
    assert not out["i"][starts[-1] + FRAME + 100 :].any()
    assert result.status["state"] == SequencerState.DONE
    assert (result.status["rows"], result.status["frames"], result.status["left"]) == (2, 3, 0)
    assert result.status["on"] == result.status["fault"] == 0


@pytest.mark.parametrize("changes", [{"arm": 0}, {"start": 0}, {"hold": 1}, {"triggered": 1}])
def test_nothing_leaves_that_was_not_let_out(changes):
    result = play(**changes)
    assert not result.outputs["o"]["first"].any()
    assert not result.outputs["o"]["i"].any() and result.status["frames"] == 0


@pytest.mark.parametrize("way", ["end of a batch", "drop"])
def test_rows_that_wait_are_not_those_of_the_next_batch(way):
    bench = AmaranthBench(BatchTransmitter(SPEC), {"o"})
    if way == "drop":
        before = (
            Run(IDLE, {"i": both(ROWS[:2])}, linger=8),
            Run(IDLE | {"drop": 1}, linger=8),
        )
    else:  # the third row was not granted
        go = IDLE | {"arm": 1, "start": 1}
        before = (Run(IDLE), Run(go, {"i": both(ROWS)}, {"o": 6 * FRAME}), Run(IDLE, linger=8))
    own = -ROWS[:1]
    next_ = Run(IDLE | {"arm": 1, "start": 1, "grant": 1}, {"i": both(own)}, {"o": 4 * FRAME})
    result = bench.run(*before, next_)[-1]
    out = result.outputs["o"]
    (starts,) = np.nonzero(out["first"])
    due = chain.model(SPEC, RAW, np.concatenate([np.zeros((1, 2, 10), int), own])).codes
    assert len(starts) == 2
    for start, frame in zip(starts, due, strict=True):
        np.testing.assert_array_equal(out["i"][start : start + FRAME], frame[0])


@pytest.mark.parametrize(("cause", "bit"), [("stop", 16), ("link_fault", 4)])
def test_a_halt_reaches_the_drive(cause, bit):
    result = play(**{cause: 1})
    assert not result.outputs["o"]["first"].any() and result.status["fault"] & bit


def test_an_empty_design_fails(monkeypatch):
    monkeypatch.setattr(BatchTransmitter, "elaborate", lambda self, platform: Module())
    with pytest.raises(AssertionError):
        test_a_batch_is_its_lead_in_and_its_grant()
