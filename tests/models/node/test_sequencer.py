"""The sequencer clock by clock: batches that end by themselves, halts, and what is counted."""

import pytest

from shotveil.models.node import sequencer
from shotveil.models.node.sequencer import (
    BatchPhase,
    Inputs,
    Outputs,
    SequencerModel,
    SequencerState,
)

DRAIN = 5


def play(n, model=None, grant=2, lead_in=1, watchdog=1, **high):
    """Outputs of n clocks by name; each input is high in the clocks given."""
    model = model or SequencerModel(DRAIN)
    outs = []
    for k in range(n):
        now = {name: int(k in clocks) for name, clocks in high.items()}
        outs.append(model.step(Inputs(grant=grant, lead_in=lead_in, watchdog=watchdog, **now)))
    return {name: [getattr(out, name) for out in outs] for name in vars(outs[0])}


def when(line, value=1):
    return [k for k, v in enumerate(line) if v == value]


BATCH = {"arm": range(5, 200), "start": [10], "started": [20, 30, 40], "busy": range(21, 49)}


def test_a_batch_in_all_its_clocks():
    out = play(80, **BATCH)
    assert when(out["run"]) == list(range(12, 42))  # two behind the start, two behind the last
    assert when(out["arm_drive"]) == list(range(11, 50 + DRAIN))
    assert when(out["blank"]) == list(range(12, 22))
    # From the end on, until arm goes low.
    assert when(out["flush"]) == list(range(50 + DRAIN, 80))
    short = play(80, **BATCH | {"arm": range(5, 60)})
    assert when(short["flush"]) == list(range(50 + DRAIN, 61))
    assert out["left"] == [0] * 11 + [2] * 20 + [1] * 10 + [0] * 39
    assert out["rows"] == [0] * 31 + [1] * 10 + [2] * 39
    assert out["frames"] == [0] * 21 + [1] * 10 + [2] * 10 + [3] * 39
    assert not any(out["fault"])
    state = SequencerState
    due = [state.IDLE] * 11 + [state.WAITING] * 11 + [state.PLAYING] * (50 + DRAIN - 22)
    assert out["state"] == [*due, state.RETURNING, *[state.DONE] * (79 - 50 - DRAIN)]
    # A lead-in frame that is on its way shows as that.
    early = play(30, **BATCH | {"busy": range(14, 49)})
    assert early["state"][11:24] == [state.WAITING] * 4 + [state.LEAD_IN] * 7 + [state.PLAYING] * 2


@pytest.mark.parametrize("halt", [[], [33]])
def test_a_batch_is_over_when_its_light_is_back(halt):
    """Whatever ended it, and though `arm` is low meanwhile: no start counts before that."""
    end, back = 50 + DRAIN, 70
    arm = [*range(5, 58), *range(60, 100)]
    high = BATCH | {"arm": arm, "start": [10, 62, 68, 75], "stop": halt, "away": range(25, back)}
    out = play(90, **high)
    assert when(out["returning"]) == list(range(end, back + 1))
    assert when(out["state"], SequencerState.RETURNING) == when(out["returning"])
    assert when(out["arm_drive"]) == list(range(11, end))
    assert out["fault"][-1] == (sequencer.STOP if halt else 0)
    # `arm` rose while the light was away, so it has to rise once more.
    over = SequencerState.STOPPED if halt else SequencerState.DONE
    assert out["state"][back + 1 :] == [over] * (89 - back)
    # Rows that come with `arm` low are the next batch's, and stay.
    assert when(out["flush"]) == [*range(end, 59), *range(61, 90)]
    out = play(90, **high | {"arm": range(5, 58)})
    assert out["state"][back + 1 :] == [over, *[SequencerState.IDLE] * (88 - back)]


def test_a_batch_begins_only_if_arm_was_low_since_the_last():
    assert not any(play(60, arm=range(60), start=[10])["arm_drive"])
    assert not any(play(60, arm=range(5, 60), start=[3])["arm_drive"])
    model = SequencerModel(DRAIN)
    play(80, model, **BATCH)
    assert model.phase == BatchPhase.DONE
    # Not again while arm stays high; after it was low for a clock, in that order.
    assert not any(play(40, model, arm=range(40), start=[5, 20])["arm_drive"])
    out = play(40, model, arm=[*range(10), *range(11, 40)], start=[5, 11, 20])
    assert out["state"][:12] == [SequencerState.DONE] * 11 + [SequencerState.IDLE]
    assert when(out["arm_drive"])[0] == 12


def test_arm_may_have_been_low_at_any_time_while_off():
    model = SequencerModel(DRAIN)
    play(5, model)
    assert model.fresh == 1
    assert when(play(30, model, arm=range(30), start=[25])["arm_drive"]) == [26, 27, 28, 29]


def test_an_empty_batch_ends_at_once():
    out = play(40, grant=0, lead_in=0, arm=range(5, 40), start=[10])
    assert not any(out["run"])
    # Two clocks of a batch: on, and then the drain.
    assert when(out["arm_drive"]) == list(range(11, 13 + DRAIN))
    assert out["state"][-1] == SequencerState.DONE


def test_either_count_keeps_it_running():
    for grant, lead_in in ((0, 1), (1, 0)):
        out = play(40, grant=grant, lead_in=lead_in, arm=range(5, 40), start=[10], started=[20])
        assert when(out["run"]) == list(range(12, 22))
        assert out["rows"][-1] == grant and out["frames"][-1] == 1


@pytest.mark.parametrize(
    ("cause", "bit"),
    [("tripped", 1), ("link_fault", 4), ("starved", 8), ("stop", 16)],
)
def test_each_cause_halts_a_batch(cause, bit):
    model = SequencerModel(DRAIN)
    out = play(70, model, **BATCH | {cause: [33]})
    assert when(out["run"]) == list(range(12, 34))
    assert out["fault"] == [0] * 34 + [bit] * 36
    assert when(out["arm_drive"]) == list(range(11, 50 + DRAIN))
    assert out["state"][33:] == [
        *[SequencerState.PLAYING] * (17 + DRAIN),
        SequencerState.RETURNING,
        *[SequencerState.STOPPED] * (19 - DRAIN),
    ]
    # Rows that come are dropped until arm goes low.
    assert when(out["flush"]) == list(range(50 + DRAIN, 70))
    out = play(20, model, arm=range(8))
    assert when(out["flush"]) == list(range(9))
    assert out["state"] == [SequencerState.STOPPED] * 9 + [SequencerState.IDLE] * 11
    assert out["fault"][-1] == bit  # until it is cleared
    assert play(3, model, clear=[0])["fault"] == [bit, 0, 0]
    assert sequencer.FAULTS == ("tripped", "watchdog", "link", "starved", "stop")


def test_arm_going_low_is_a_stop_and_causes_add_up():
    out = play(70, **BATCH | {"arm": range(5, 33), "tripped": [33]})
    assert out["fault"][34] == sequencer.STOP | sequencer.TRIPPED
    assert out["state"][50 + DRAIN] == SequencerState.RETURNING
    assert out["state"][51 + DRAIN] == SequencerState.STOPPED
    assert out["state"][52 + DRAIN] == SequencerState.IDLE
    # Before and behind a batch, nothing is a fault.
    out = play(80, **BATCH | {"stop": [3, 60], "tripped": [3, 45, 60], "starved": [7]})
    assert not any(out["fault"]) and out["state"][-1] == SequencerState.DONE


@pytest.mark.parametrize("watchdog", [0, 1, 3])
def test_the_watchdog_counts_ticks_without_a_sign_of_life(watchdog, monkeypatch):
    monkeypatch.setattr(sequencer, "TICK_BITS", 4)
    out = play(200, watchdog=watchdog, grant=100, arm=range(5, 200), start=[10])
    # From the clock after the start on, 16 clocks a tick; the fault shows two clocks later.
    assert when(out["fault"], sequencer.WATCHDOG)[0] == 12 + 16 * watchdog
    if watchdog:
        out = play(200, watchdog=watchdog, grant=100, arm=range(5, 200), start=[10], alive=[20])
        assert when(out["fault"], sequencer.WATCHDOG)[0] == 22 + 16 * watchdog


def test_a_tick_is_as_long_as_is_said():
    model = SequencerModel(DRAIN, BatchPhase.ON, left=1, ticks=2, tick=(1 << 16) - 2)
    steps = [Inputs(arm=1)] * 2
    model.step(steps[0])
    assert (model.tick, model.ticks) == (65535, 2)
    model.step(steps[1])
    assert (model.tick, model.ticks) == (0, 1)


def test_counts_stop_at_their_ends_and_are_cleared():
    most = (1 << 32) - 1
    model = SequencerModel(DRAIN, rows=most - 1, frames=most - 1)
    for _ in range(3):
        model.step(Inputs(started=1))
    assert (model.rows, model.frames) == (most, most)
    model.step(Inputs(started=1, clear=1))
    assert (model.rows, model.frames, model.left, model.lead) == (0, 0, 0, 0)


def test_a_frame_that_goes_on_keeps_the_output_on():
    out = play(80, **BATCH | {"busy": [*range(21, 49), 51]})
    assert when(out["flush"])[0] == 53 + DRAIN
    out = play(80, **BATCH | {"started": [20, 30, 40, 51]})
    assert when(out["flush"])[0] == 53 + DRAIN


def test_names_of_states():
    assert [phase.name for phase in BatchPhase] == [
        "OFF", "ON", "ENDING", "RETURNING", "DONE", "STOPPED",
    ]  # fmt: skip
    assert [(s.name, int(s)) for s in SequencerState] == [
        ("IDLE", 0), ("LEAD_IN", 1), ("PLAYING", 2), ("WAITING", 3), ("DONE", 4), ("STOPPED", 5),
        ("RETURNING", 6),
    ]  # fmt: skip
    assert Inputs() == Inputs(*[0] * 13, watchdog=1)
    widths = (sequencer.GRANT_BITS, sequencer.LEAD_BITS, sequencer.COUNT_BITS,
              sequencer.WATCHDOG_BITS, sequencer.TICK_BITS, sequencer.MARGIN)  # fmt: skip
    assert widths == (24, 16, 32, 16, 16, 7)


def test_values_cannot_be_changed_once_they_are_checked():
    for kind in (Inputs, Outputs):
        assert kind.__dataclass_params__.frozen
