"""Rows become frames."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive import framing
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.signal.frame import FrameLayout, Slot

SPEC = DriveSpec()


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_framing_puts_rows_into_their_slots(rng):
    layout = FrameLayout(row=20, pilot_spacing=7)
    rows = rng.integers(-(2**15), 2**15, (3, 2, 20))
    frames = framing.model(SPEC, layout, rows)
    slots = layout.slots()
    assert frames.shape == (3, 2, layout.length)
    np.testing.assert_array_equal(frames[..., slots == Slot.ROW], rows)
    assert not frames[..., slots >= Slot.VACUUM].any()
    # References are ±½ exactly.
    np.testing.assert_array_equal(
        to_float(frames[1], SPEC.symbol)[:, framing.is_reference(layout)],
        layout.references()[:, framing.is_reference(layout)] / 2,
    )


def test_framing_refuses_rows_that_do_not_fit():
    with pytest.raises(RangeError, match=r"shape \(1, 2, 5\); allowed: \(…, 2, 392\)"):
        framing.model(SPEC, FrameLayout(), np.zeros((1, 2, 5), dtype=int))
    with pytest.raises(RangeError, match=r"beyond Q1\.15"):
        framing.model(SPEC, FrameLayout(row=1), np.full((1, 2, 1), 40_000))


def test_preamble_and_pilots_are_the_reference():
    layout = FrameLayout(row=20, pilot_spacing=7)
    slots = layout.slots()
    found = framing.is_reference(layout)
    assert found.tolist() == [s in (Slot.PREAMBLE, Slot.PILOT) for s in slots]
    assert found.sum() == 16 + 4


def test_rows_reach_both_ends_of_their_format():
    layout = FrameLayout(row=2)
    ends = np.array([[-32768, 32767], [32767, -32768]])
    frame = framing.model(SPEC, layout, ends)
    assert frame.shape == (2, layout.length)
    np.testing.assert_array_equal(frame[:, layout.slots() == Slot.ROW], ends)
    for wrong in (-32769, 32768):
        with pytest.raises(RangeError, match="beyond"):
            framing.model(SPEC, layout, np.full((2, 2), wrong))
    with pytest.raises(RangeError, match="shape"):
        framing.model(SPEC, layout, np.zeros((3, 2), int))
