"""The whole receiver: symbols come back as they were sent, in shot-noise units; none is lost."""

import dataclasses

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser import chain
from shotveil.models.digitiser.chain import Plan, Received
from shotveil.models.digitiser.channel import (
    SimulatedChannel,
    convert,
    detect,
    framed,
    waveform,
)
from shotveil.models.digitiser.spec import (
    DARK_RECORD,
    PILOT,
    ROW,
    VACUUM,
    VACUUM_RECORD,
    DigitiserSettings,
    DigitiserSpec,
)
from shotveil.models.signal.frame import FrameLayout

SPEC, ONE = DigitiserSpec(), DigitiserSpec(quadratures=1)
LAYOUT = FrameLayout(preamble=16, row=120, pilot_spacing=24, vacuum=8)  # 6 pilots, 158 symbols
SETTINGS = DigitiserSettings(layout=LAYOUT, mode=3, offset_shift=6)
SYMBOLS = 6 + 120 + 8
SCALE = 2.0**-8  # √SNU an ADC step: the scale register's default, for shot noise of 256 steps


def light(frames, seed=1, spec=SPEC, delay=300.3, **more):
    """ADC words of some frames and what their rows were, shape (frames, row), in √SNU."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 3, (frames, LAYOUT.row, 2)) @ [1, 1j]
    symbols = framed(LAYOUT, rows, 8.0)
    samples = np.concatenate([waveform(spec, symbols, delay), np.zeros(1500)])
    channel = SimulatedChannel(**({"noise": False} | more))
    return convert(spec, detect(spec, channel, samples, rng)), rows


NOTHING = np.zeros((2, 5000), np.int64)


def test_the_plan_names_every_symbol():
    steps = chain.plan(SETTINGS)
    assert steps.kind.tolist() == [PILOT, *[ROW] * 24] * 5 + [PILOT] + [VACUUM] * 8
    assert steps.index[steps.kind == ROW].tolist() == list(range(120))
    assert steps.index[steps.kind == PILOT].tolist() == [0, 1, 2, 3, 0, 1]
    assert not steps.index[steps.kind == VACUUM].any()
    assert steps.pilot[steps.kind == PILOT].tolist() == list(range(6))
    assert set(steps.pilot[steps.kind != PILOT]) == {-1}
    assert steps.segment[steps.kind == ROW].tolist() == np.repeat(range(5), 24).tolist()
    assert not steps.segment[steps.kind != ROW].any()


def test_symbols_come_back_turned_and_scaled():
    codes, rows = light(5, phase=0.7, efficiency=0.9, adc_offset=30.0)
    got = chain.model(SPEC, SETTINGS, codes, NOTHING)
    # The first preamble is found, and its frame is the next one; then all that are there.
    found = [f for f in got.frames if not f.lost]
    assert len(found) == 4
    first = 300 + 4 * 16 + LAYOUT.length * 4
    assert [f.start for f in found] == [first + k * SETTINGS.period for k in range(4)]
    kept = got.kind == ROW
    ours = got.value[:, kept].reshape(2, -1, 120)[:, :4] / 2**11
    # Two quadratures share the light; the scale makes √SNU of ADC steps.
    due = rows[1:] * np.sqrt(0.9 / 2)
    # Fractions of 1/128 sample, and pilots and offset that pulses beside them disturb. The first
    # frame, 30 steps off, is that which shows the offset.
    error = (ours[0] + 1j * ours[1] - due)[1:]
    assert np.sqrt(np.mean(np.abs(error) ** 2) / np.mean(np.abs(due) ** 2)) < 0.02
    np.testing.assert_array_equal(
        got.inference[:, :4], got.value[:, kept].reshape(2, -1, 120)[:, :4, 3]
    )
    # The filter adds an offset up: its taps sum to √4.
    assert np.abs(np.array(got.offset) / 2**22 - 2 * 30).max() < 0.5
    assert not got.saturated.any() and not got.over.any() and got.overrange == 0
    # θ is the channel's phase, in units of 2^−16 turn.
    assert got.theta / 65536 * 2 * np.pi == pytest.approx(0.7, abs=5e-3)
    assert len(got.phases.angle) == len(got.phases.bad) == np.sum(got.kind == PILOT)


def test_what_is_counted_is_what_was_received():
    codes, _ = light(6)
    q = np.random.default_rng(2).integers(-30000, 30000, (2, 5000))
    got = chain.model(SPEC, SETTINGS, codes, q)
    frames = int(got.last.sum())
    assert frames == len(got.sums.frames) >= 5
    bad = got.over | got.saturated | got.lost
    counted = got.sums.session[:, 7].sum() + got.sums.session[:, 15].sum()
    assert counted == frames * SYMBOLS
    assert got.sums.session[:, 15].sum() == bad[: frames * SYMBOLS].sum()
    # Rows take their symbols of q in order, pilots theirs with alternating signs.
    rows = got.kind == ROW
    np.testing.assert_array_equal(got.q[:, rows], q[:, : rows.sum()])
    signs = np.array([[1, 1, -1, -1, 1, 1], [1, -1, -1, 1, 1, -1]])
    assert np.array_equal(got.q[:, got.kind == PILOT][:, :6], signs << 14)
    assert not got.q[:, got.kind == VACUUM].any()
    whole = slice(0, frames * SYMBOLS)
    x, good = got.value[0, whole], ~bad[whole]
    assert got.sums.session[:, 4].sum() == np.sum((x * good) ** 2)
    assert got.sums.modes[5, 3] == np.sum(
        (got.q[:, whole] ** 2)[:, good & rows[whole] & (got.index[whole] == 5)]
    )
    assert got.frame.tolist() == np.repeat(np.arange(20), SYMBOLS)[: len(got.frame)].tolist()


def test_frames_that_are_skipped_take_no_symbols_and_no_sums():
    codes, _ = light(6)
    q = np.arange(10_000).reshape(2, 5000)
    seen = []

    def skip(frames):
        seen.append(list(frames))
        return np.arange(len(frames)) % 2 == 0

    got = chain.model(SPEC, SETTINGS, codes, q, skip=skip)
    assert seen == [got.frames]
    rows = (got.kind == ROW) & (got.frame == 0)
    assert not got.q[:, rows].any()
    rows = (got.kind == ROW) & (got.frame == 1)
    np.testing.assert_array_equal(got.q[:, rows], q[:, :120])
    assert not got.sums.frames[0].any() and got.sums.frames[1].any()


@pytest.mark.parametrize("at_once", [1, 2])
def test_frames_are_the_same_in_whatever_groups(at_once, monkeypatch):
    codes, _ = light(5, noise=True)
    q = np.random.default_rng(2).integers(-30000, 30000, (2, 5000))
    whole = chain.model(SPEC, SETTINGS, codes, q)
    monkeypatch.setattr(chain, "FRAMES_AT_ONCE", at_once)
    parts = chain.model(SPEC, SETTINGS, codes, q)
    for name in ("value", "saturated", "q", "inference"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    assert (whole.offset, whole.theta) == (parts.offset, parts.theta)
    np.testing.assert_array_equal(whole.phases.angle, parts.phases.angle)
    np.testing.assert_array_equal(whole.phases.bad, parts.phases.bad)
    np.testing.assert_array_equal(whole.sums.frames, parts.sums.frames)
    np.testing.assert_array_equal(whole.sums.modes, parts.sums.modes)


def test_symbols_appear_as_soon_as_they_have_left_the_filter():
    codes, _ = light(3)
    whole = chain.model(SPEC, SETTINGS, codes, NOTHING)
    frame = whole.frames[0]
    done = chain.finished(SPEC, SETTINGS, frame.start)
    assert done == frame.start + 4 * (SYMBOLS - 1) + 32 + 7 + 192
    assert chain.model(SPEC, SETTINGS, codes[:, :done], NOTHING).last.sum() == 1
    short = chain.model(SPEC, SETTINGS, codes[:, : done - 1], NOTHING)
    assert short.last.sum() == 0 and len(short.kind) == SYMBOLS - 1
    assert short.sums.frames.shape[0] == 0
    # What is there already is what it will be.
    np.testing.assert_array_equal(short.value, whole.value[:, : SYMBOLS - 1])
    first = chain.finished(SPEC, SETTINGS, frame.start) - 4 * (SYMBOLS - 1)
    for n, count in ((first - 1, 0), (first, 1)):
        assert len(chain.model(SPEC, SETTINGS, codes[:, :n], NOTHING).kind) == count


def test_overrange_marks_its_symbols_and_is_counted():
    codes, _ = light(4)
    clean = chain.model(SPEC, SETTINGS, codes, NOTHING)
    at = clean.frames[1].start + 40
    codes[1, at] = 8191
    got = chain.model(SPEC, SETTINGS, codes, NOTHING)
    assert got.overrange == 1
    marked = np.nonzero(got.over)[0] - SYMBOLS
    assert marked.tolist() == list(range(3, 11))  # eight windows of 32 samples
    assert got.sums.frames[1, :, 15].sum() == 8 and got.sums.frames[0, :, 15].sum() == 0


def test_calibration_records_move_no_phase_and_all_the_offset():
    noise = np.random.default_rng(4).normal(12, 256, (2, 8000))
    for record, word in ((VACUUM_RECORD, 17), (DARK_RECORD, 18)):
        settings = dataclasses.replace(SETTINGS, record=record, free_run=1)
        got = chain.model(SPEC, settings, convert(SPEC, noise), NOTHING[:, :0])
        assert got.theta == 0 and not got.q.any() and not got.sums.modes.any()
        assert got.sums.session[word, 7] == got.last.sum() * SYMBOLS
        moved = got.offset != (0, 0)
        assert moved == (record == VACUUM_RECORD)


def test_an_offset_that_is_given_stays_but_for_the_vacuum():
    codes, _ = light(3, adc_offset=30.0)
    given = (60 << 22, 60 << 22)
    settings = dataclasses.replace(SETTINGS, offset_shift=15)
    got = chain.model(SPEC, settings, codes, NOTHING, offset=given)
    # At full count a symbol moves it by 2^−15 of its distance.
    assert np.abs(np.array(got.offset) / 2**22 - 60).max() < 0.01
    assert got.offset != given


def test_homodyne_gives_one_quadrature_and_a_phase_a_frame():
    codes, rows = light(5, spec=ONE)
    settings = dataclasses.replace(SETTINGS, layout=LAYOUT)
    got = chain.model(ONE, settings, codes, NOTHING)
    rows_seen = got.value[:, got.kind == ROW].reshape(2, -1, 120)[:, :4] / 2**11
    assert not rows_seen[1].any()
    assert np.sqrt(np.mean((rows_seen[0] - rows[1:].real) ** 2)) < 0.1
    assert len(got.phases.angle) == got.last.sum()
    assert np.abs(got.phases.angle[:3]).max() < 100
    np.testing.assert_array_equal(got.inference, got.value[:, (got.kind == ROW) & (got.index == 3)])


def test_too_few_symbols_to_compare_with_are_refused():
    codes, _ = light(3)
    rows = int(np.sum(chain.model(SPEC, SETTINGS, codes, NOTHING).kind == ROW))
    chain.model(SPEC, SETTINGS, codes, NOTHING[:, :rows])
    with pytest.raises(RangeError, match=f"q holds {rows - 1} symbols; allowed: at least {rows}"):
        chain.model(SPEC, SETTINGS, codes, NOTHING[:, : rows - 1])
    with pytest.raises(RangeError, match="mode"):
        chain.model(SPEC, dataclasses.replace(SETTINGS, mode=120), codes, NOTHING)


def test_silence_gives_nothing():
    got = chain.model(SPEC, SETTINGS, np.zeros((2, 1000), int), NOTHING)
    assert got.frames == [] and got.value.shape == (2, 0) and got.sums.frames.shape == (0, 20, 16)


def test_the_phase_shifter_may_move_while_the_next_frame_has_begun():
    assert chain.moving_runs(SPEC, SETTINGS) == 0
    # The code comes finished(0) + 96 samples after the first symbol; a frame later begins the next.
    late = 4 * (SYMBOLS - 1) + 32 + 7 + 192 + 96 - 4 * LAYOUT.length
    assert late == 227
    assert chain.moving_runs(ONE, SETTINGS) == 3  # runs of 25 symbols, 100 samples
    long = FrameLayout(preamble=16, row=120, pilot_spacing=24, vacuum=8, guard=100)
    assert chain.moving_runs(ONE, dataclasses.replace(SETTINGS, layout=long)) == 0
    double = FrameLayout(preamble=16, row=120, pilots=2, pilot_spacing=24, vacuum=8)
    assert chain.moving_runs(ONE, dataclasses.replace(SETTINGS, layout=double)) == 3


def test_the_frame_number_wraps():
    codes, _ = light(7)
    got = chain.model(DigitiserSpec(frame_bits=2), SETTINGS, codes, NOTHING)
    numbers = np.repeat(np.arange(20), SYMBOLS)[: len(got.frame)]
    assert numbers.max() > 4 and got.frame.tolist() == (numbers % 4).tolist()


def test_values_cannot_be_changed_once_they_are_checked():
    for kind in (Plan, Received):
        assert kind.__dataclass_params__.frozen
