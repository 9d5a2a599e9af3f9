"""A batch on a node whose DAC codes come back as ADC words: what is sent is what is heard."""

import dataclasses

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser import phase_lock
from shotveil.models.digitiser.spec import ROW, DigitiserSettings, DigitiserSpec
from shotveil.models.drive import chain as drive
from shotveil.models.drive.spec import Arm, DriveSettings, DriveSpec
from shotveil.models.node import chain
from shotveil.models.node.chain import Heard, Loopback, NodeRecord, NodeSetup, looped
from shotveil.models.node.spec import NodeSpec
from shotveil.models.signal.frame import FrameLayout

LAYOUT = FrameLayout(preamble=16, row=120, pilot_spacing=24, vacuum=8)
SPEC = NodeSpec(capture=64)
CLIENT = NodeSpec(role="client")
PERIOD = 4 * LAYOUT.length


def setup(spec=SPEC, **more):
    settings = DriveSettings(layout=LAYOUT, arms=(Arm(bias=0.01), Arm(bias=0.01)))
    receiver = DigitiserSettings(layout=LAYOUT, mode=5)
    return NodeSetup.of(spec, settings, digitiser=receiver, **({"lead_in": 3} | more))


def rows(count=4, seed=1):
    return np.random.default_rng(seed).integers(-12000, 12000, (count, 2, 120))


def test_codes_become_words_of_the_converters_widths():
    codes = np.array([[-4, 5], [3, -8192]])
    assert looped(SPEC, codes).tolist() == [[16380, 5], [3, 8192]]
    assert looped(CLIENT, codes).tolist() == [[16380, 5]]
    fine = dataclasses.replace(SPEC, drive=DriveSpec(dac_bits=16))
    assert looped(fine, codes).tolist() == [[16383, 1], [0, 14336]]
    coarse = dataclasses.replace(SPEC, drive=DriveSpec(dac_bits=12))
    assert looped(coarse, [[-4, 5], [3, -2048]]).tolist() == [[16368, 20], [12, 8192]]


@pytest.mark.parametrize("delay", [0, 1, 7])
def test_a_loopback_remembers_what_is_on_its_way(delay):
    codes = np.random.default_rng(2).integers(-8192, 8192, (2, 40))
    loop = Loopback(SPEC, delay)
    out = np.concatenate([loop(part) for part in np.split(codes, [3, 4, 20], axis=1)], axis=1)
    due = np.concatenate([np.zeros((2, delay), int), codes], axis=1)[:, :40]
    np.testing.assert_array_equal(out, looped(SPEC, due))
    for bad in (-1, (1 << 24) + 1, 0.5):
        with pytest.raises(RangeError, match="delay"):
            Loopback(SPEC, bad)


def test_what_is_sent_is_heard_frame_by_frame():
    given = rows()
    record = chain.play(SPEC, setup(), given, lead=700)
    sent = drive.model(
        SPEC.drive, setup().drive, np.concatenate([np.zeros((3, 2, 120), int), given])
    )
    np.testing.assert_array_equal(record.drive.codes, sent.codes)
    flat = sent.codes.swapaxes(0, 1).reshape(2, -1)
    assert record.first == 700 and not record.codes[:, :700].any()
    end = 700 + 7 * PERIOD
    np.testing.assert_array_equal(record.codes[:, 700:end], flat)
    # The null behind the last frame, until the output goes off.
    assert np.all(record.codes[:, end : end + 100] == flat[:, -1:]) and flat[0, -1] == 82
    assert not record.codes[:, end + 100 :].any()
    assert record.codes.shape[1] == end + 7 * PERIOD + SPEC.digitiser.delay
    np.testing.assert_array_equal(record.adc, looped(SPEC, record.codes))
    heard = record.heard
    # The first frame is for the search; two more lead in, then rows, then silence.
    assert heard.flights.belongs.tolist()[:6] == [-1, -1, 3, 4, 5, 6]
    assert set(heard.flights.belongs[6:]) <= {-1} and heard.flights.missed == 0
    assert heard.inference.shape == (2, len(heard.flights.belongs)) and len(heard.bad) >= 6
    assert not heard.bad[:6].any() and heard.bad[6:].all()
    got = heard.received
    np.testing.assert_array_equal(
        heard.inference, got.value[:, (got.kind == ROW) & (got.index == 5)]
    )
    # What is summed over is what belongs: q of the rows, in order.
    assert got.sums.session[:5, 7].sum() == 4 * 120
    q = got.q[:, (got.kind == ROW)].reshape(2, -1, 120)
    np.testing.assert_array_equal(q[:, 2:6], given.swapaxes(0, 1))
    x, a = got.value[:, got.kind == ROW].reshape(2, -1, 120)[:, 2:6].ravel(), q[:, 2:6].ravel()
    assert np.corrcoef(x, a)[0, 1] > 0.999
    assert len(heard.shifter) == 0


def test_a_record_begins_with_a_frames_first_code():
    record = chain.play(SPEC, setup(), rows(), lead=700)
    words = record.capture(SPEC, frame=2)
    at = 700 + 2 * PERIOD
    due = record.adc[0, at : at + 64] | record.adc[1, at : at + 64] << 16
    np.testing.assert_array_equal(words, due)
    np.testing.assert_array_equal(
        record.capture(SPEC), record.adc[0, 700:764] | record.adc[1, 700:764] << 16
    )


@pytest.mark.parametrize("delay", [0, 2000])
def test_the_loops_delay_is_taken_out(delay):
    given = rows()
    record = chain.play(SPEC, setup(loop_delay=delay), given, Loopback(SPEC, delay))
    assert record.heard.flights.belongs.tolist()[2:6] == [3, 4, 5, 6]
    if delay:
        wrong = chain.play(SPEC, setup(), given, Loopback(SPEC, delay))
        assert wrong.heard.flights.belongs.tolist()[2:6] != [3, 4, 5, 6]


def test_a_client_leaves_nothing_out_and_turns_its_oscillator():
    record = chain.play(CLIENT, setup(CLIENT), rows())
    heard = record.heard
    got = heard.received
    assert heard.inference.shape[0] == 1
    assert set(heard.flights.belongs) == {-1} and heard.flights.missed == 0
    good = ~got.phases.bad
    codes, _ = phase_lock.model(CLIENT.digitiser, setup().loop, got.phases.angle, got.phases.bad)
    np.testing.assert_array_equal(heard.shifter, codes)
    assert len(heard.shifter) == good.sum() == 6
    assert got.sums.session[:, 7].sum() >= 6 * 120 and not got.q[:, got.kind == ROW].any()


def test_an_offset_and_taps_are_passed_on():
    taps = SPEC.digitiser.coefficients() // 2
    whole = chain.play(SPEC, setup(), rows()).heard.received
    half = chain.play(SPEC, setup(taps=taps), rows()).heard.received
    kept = (whole.kind == ROW) & ~whole.lost
    np.testing.assert_allclose(half.value[:, kept], whole.value[:, kept] / 2, atol=4)
    moved = chain.play(SPEC, setup(offset=(1 << 30, 0)), rows()).heard.received
    assert moved.offset[0] > (1 << 29) and moved.offset[1] < (1 << 28)


def test_a_trip_leaves_zero_behind():
    settings = DriveSettings(layout=LAYOUT, scale=1.9, arms=(Arm(bias=0.01),) * 2)
    tripping = dataclasses.replace(
        NodeSetup.of(SPEC, settings), digitiser=DigitiserSettings(layout=LAYOUT)
    )
    record = chain.play(SPEC, tripping, rows() * 2)
    assert record.drive.tripped
    end = record.first + record.drive.codes.shape[0] * PERIOD
    assert not record.codes[:, end:].any()


def test_no_rows_are_a_lead_in_alone():
    record = chain.play(SPEC, setup(lead_in=0), np.zeros((0, 2, 120), int))
    assert record.drive.codes.shape == (0, 2, PERIOD) and not record.codes.any()


def test_what_cannot_be_is_refused():
    with pytest.raises(RangeError, match="rows have shape"):
        chain.emit(SPEC, setup(), np.zeros((2, 120)))
    with pytest.raises(RangeError, match="plant gave words of shape"):
        chain.play(SPEC, setup(), rows(), plant=lambda codes: codes[:1])
    for lead in (-1, 0.5):
        with pytest.raises(RangeError, match="lead = "):
            chain.play(SPEC, setup(), rows(), lead=lead)
    with pytest.raises(RangeError, match="layout"):
        dataclasses.replace(setup(), digitiser=DigitiserSettings()).validate(SPEC)
    with pytest.raises(RangeError, match="mode = "):
        dataclasses.replace(setup(), digitiser=DigitiserSettings(layout=LAYOUT, mode=120)).validate(
            SPEC
        )


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("lead_in", 0, (1 << 16) - 1),
        # Eight thousand symbols are kept, less two frames.
        ("loop_delay", 0, 4 * 8192 - 2 * PERIOD),
    ],
)
def test_ranges_of_a_setup(name, low, high):
    for value in (low, high):
        setup(**{name: value}).validate(SPEC)
    for value in (low - 1, high + 1, 0.5):
        with pytest.raises(RangeError, match=f"^{name} = "):
            setup(**{name: value}).validate(SPEC)


def test_flights_limit_the_delay_of_a_large_memory():
    large = dataclasses.replace(SPEC, replay=1 << 16)
    limit = 64 * 2 * PERIOD
    setup(loop_delay=limit).validate(large)
    with pytest.raises(RangeError, match="loop_delay"):
        setup(loop_delay=limit + 1).validate(large)
    small = dataclasses.replace(
        SPEC, replay=64, drive=DriveSpec(row_capacity=64), digitiser=DigitiserSpec(delay=160)
    )
    setup(loop_delay=0).validate(small)
    assert NodeSetup(setup().drive).lead_in == 2 and NodeSetup(setup().drive).loop_delay == 0


def test_values_cannot_be_changed_once_they_are_checked():
    for kind in (NodeSetup, Heard, NodeRecord):
        assert kind.__dataclass_params__.frozen
