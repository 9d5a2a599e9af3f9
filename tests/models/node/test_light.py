"""Frames, settings and parts of a layer: every layer's shape gives what a node can do."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser import correlator
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.node import light
from shotveil.models.node.light import LEAD_IN, Parts, layout_of, parts_of, receiver_settings

TWO, ONE = DigitiserSpec(), DigitiserSpec(quadratures=1)


@pytest.mark.parametrize("modes", [1, 5, 8, 15, 16, 40, 57, 97, 100, 145, 392, 512, 1000, 4096])
def test_every_row_has_a_frame_that_both_receivers_take(modes):
    layout = layout_of(modes)
    assert layout.row == modes and layout.preamble == 16 and layout.pilots == 1
    runs = -(-modes // layout.pilot_spacing)
    assert runs % 2 == 1 and runs <= 7 and layout.pilot_spacing >= 8
    for spec in (TWO, ONE):
        settings = DigitiserSettings(layout=layout, mode_shift=3 if modes > 512 else 0)
        settings.validate(spec)
    # As many runs as fit, and no guard longer than the sums of a frame need.
    fitting = [n for n in (7, 5, 3, 1) if -(-modes // max(8, -(-modes // n))) % 2]
    assert layout.pilot_spacing == max(8, -(-modes // fitting[0]))
    assert layout.guard == 8 or 4 * layout.length - 3 <= 28 * TWO.words + 40 <= 4 * layout.length


def test_rows_have_ends():
    for modes in (0, 4097, 1.5):
        with pytest.raises(RangeError, match="modes of a row"):
            layout_of(modes)
    small = DigitiserSpec(modes=64, row_capacity=64, segments=7)
    assert layout_of(64, small).row == 64
    assert layout_of(16, small).length * 4 >= 28 * small.words + 40
    with pytest.raises(RangeError, match="modes of a row"):
        layout_of(65, small)


def test_settings_follow_from_the_layout_and_the_scale():
    for modes, shift in ((392, 0), (512, 0), (513, 1), (1024, 1), (1025, 2), (4096, 3)):
        layout = layout_of(modes)
        settings = receiver_settings(TWO, DriveSpec(), layout, 1 << 14)
        assert settings.mode_shift == shift and settings.mode == modes // 2
        settings.validate(TWO)
    assert settings.layout is layout and settings.scale == (1 << 14, 1 << 14)
    assert settings.pilot == round(0.7 * 2**15)
    # Scale is √SNU an ADC step: the shot noise in steps is its inverse.
    assert settings.minimum == correlator.threshold(TWO, 256)
    half = receiver_settings(TWO, DriveSpec(), layout, 1 << 13, reference=0.25)
    assert half.minimum == correlator.threshold(TWO, 512) and half.pilot == 2**13
    assert (settings.phase_shift, settings.timing_shift) == (7, 9)
    assert settings.offset_shift == 14
    assert receiver_settings(ONE, DriveSpec(), layout, 1 << 14).offset_shift == 9
    assert light.REFERENCE == 0.7


def test_parts_hold_all_rows_and_one_decoy_or_more():
    rng = np.random.default_rng(1)
    spec = DriveSpec(row_capacity=512)
    for _ in range(300):
        rows, modes, decoys = (int(rng.integers(1, n)) for n in (300, 513, 200))
        parts = parts_of(rows, modes, decoys, spec)
        assert 1 <= parts.slots <= max(1, 512 // modes) and parts.decoys >= 1
        assert parts.weights == -(-rows // parts.slots)
        total = (parts.weights + parts.decoys) * parts.slots
        assert total <= rows + decoys < total + parts.slots
        # No longer part would do.
        for slots in range(parts.slots + 1, min(decoys, 512 // modes) + 1):
            assert (rows + decoys) // slots - -(-rows // slots) < 1
    assert parts_of(100, 64, 40, spec) == Parts(8, 13, 4)
    assert parts_of(10, 512, 1, spec) == Parts(1, 10, 1)
    assert Parts(8, 13, 4).frames == 17 * (64 + 8) and LEAD_IN == 64


def test_layers_that_cannot_be_sent_are_refused():
    spec = DriveSpec(row_capacity=512)
    for rows in (-5, 0, 1.5):
        with pytest.raises(RangeError, match="rows of a layer"):
            parts_of(rows, 10, 2, spec)
    for modes in (0, 513, 1.5):
        with pytest.raises(RangeError, match="modes of a row"):
            parts_of(10, modes, 2, spec)
    for decoys in (0, 1.5):
        with pytest.raises(RangeError, match="decoys of a layer"):
            parts_of(10, 10, decoys, spec)


def test_values_cannot_be_changed_once_they_are_checked():
    assert Parts.__dataclass_params__.frozen
