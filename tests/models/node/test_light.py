"""What both nodes are set to for a layer's light, and how rows become the drive's symbols."""

import math
from dataclasses import replace

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser import correlator
from shotveil.models.digitiser.spec import PREAMBLE, DigitiserSettings, DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.link.encoding import encode_rows
from shotveil.models.node import light
from shotveil.models.node.light import (
    LEAD_IN,
    LOCK,
    Parts,
    drive_scale,
    layout_of,
    mode_shift,
    parts_of,
    receiver_settings,
    row_symbols,
    symbol_unit,
)

DRIVE, SPEC = DriveSpec(), DigitiserSpec()
HIGHEST = DRIVE.symbol.highest


# Frames


@pytest.mark.parametrize("modes", [1, 2, 7, 8, 9, 12, 56, 57, 392, 393, 4095, 4096])
def test_pilots_come_after_runs_of_an_odd_number_so_that_their_groups_are_even(modes):
    layout = layout_of(modes)
    runs = -(-modes // layout.pilot_spacing)
    assert layout.row == modes and layout.preamble == PREAMBLE and layout.pilot_spacing >= 8
    assert runs % 2 == 1 and runs <= 7
    # As many as there can be.
    for more in range(runs + 2, 8, 2):
        spacing = max(8, -(-modes // more))
        assert -(-modes // spacing) < more
    # Sums of a frame have left before the next one's come: 28 clocks a word and some.
    assert layout.length * SPEC.samples_per_symbol >= 28 * SPEC.words + 40


def test_only_short_rows_have_a_long_guard():
    plain = layout_of(392)
    assert plain.guard == 8
    short = layout_of(1)
    assert short.length == -(-(28 * SPEC.words + 40) // SPEC.samples_per_symbol)


def test_rows_that_no_frame_holds():
    for modes in (0, 4097, 1.5):
        with pytest.raises(RangeError, match="modes of a row"):
            layout_of(modes)
    with pytest.raises(RangeError, match="modes of a row = 33"):
        layout_of(33, DigitiserSpec(row_capacity=32, modes=32))


def test_both_receivers_are_set_alike_but_for_the_offset():
    layout = layout_of(392)
    server, client = (
        receiver_settings(DigitiserSpec(quadratures=n), DRIVE, layout, 1 << 14) for n in (2, 1)
    )
    for one in (server, client):
        assert one.layout == layout and one.scale == (1 << 14,) * 2 and one.mode == 196
        assert one.pilot == round(0.7 * 2**15)
        assert (one.phase_shift, one.timing_shift, one.mode_shift) == (7, 9, 0)
    assert (server.offset_shift, client.offset_shift) == (14, 9)
    # A weaker scale: more raw units a √SNU, so less of a preamble's power is asked for.
    half = receiver_settings(SPEC, DRIVE, layout, 1 << 13)
    assert half.minimum > server.minimum
    assert receiver_settings(SPEC, DRIVE, layout, 1 << 14, 0.35).pilot == round(0.35 * 2**15)
    assert (LOCK.ki, LOCK.kp) == (8192, 0)


@pytest.mark.parametrize(
    "modes, shift", [(1, 0), (512, 0), (513, 1), (1024, 1), (1025, 2), (4096, 3)]
)
def test_neighbours_share_sums_where_there_are_more_modes_than_words(modes, shift):
    assert mode_shift(modes, SPEC) == shift
    assert receiver_settings(SPEC, DRIVE, layout_of(modes), 1 << 14).mode_shift == shift


# Parts


@pytest.mark.parametrize("rows", [1, 10, 97, 784])
@pytest.mark.parametrize("modes", [1, 12, 392, 4096])
@pytest.mark.parametrize("rate", [1 / 16, 0.3, 1.0])
def test_parts_hold_all_rows_within_the_declared_decoys(rows, modes, rate):
    decoys = math.ceil(rate * rows)
    plan = parts_of(rows, modes, decoys, DRIVE)
    assert 1 <= plan.slots <= 4096 // modes and plan.decoys >= 1
    assert plan.weights * plan.slots >= rows > (plan.weights - 1) * plan.slots
    assert (plan.weights + plan.decoys) * plan.slots <= rows + decoys
    # Another part of decoys would be one too many, and longer parts would leave none.
    assert (plan.weights + plan.decoys + 1) * plan.slots > rows + decoys
    for slots in range(plan.slots + 1, min(decoys, 4096 // modes) + 1):
        assert (rows + decoys) // slots == -(-rows // slots)


def test_frames_of_a_layer_count_lead_ins():
    assert Parts(slots=5, weights=3, decoys=2).frames == 5 * (LEAD_IN + 5)


def test_layers_that_cannot_be_cut():
    with pytest.raises(RangeError, match="decoys of a layer = 0"):
        parts_of(10, 12, 0, DRIVE)
    with pytest.raises(RangeError, match="modes of a row = 4097"):
        parts_of(10, 4097, 1, DRIVE)
    assert parts_of(1, 4096, 1, DRIVE) == Parts(1, 1, 1)
    with pytest.raises(RangeError, match="rows of a layer = 0"):
        parts_of(0, 1, 1, DRIVE)


# Symbols


def test_a_unit_is_a_step_of_the_symbols_at_the_drives_scale():
    assert symbol_unit(DRIVE, 24.0, 0.5) == 24.0 * 0.5 * 2.0**-15
    assert symbol_unit(DRIVE, 24.0) == 24.0 * 2.0**-15


def test_symbols_are_the_nearest_and_odd():
    unit = 2.0**-9
    given = np.array([0.0, 1.4, 1.5, 1.6, 2.5, 3.5, 1000.49, HIGHEST]) * unit
    due = [0, 1, 2, 2, 2, 4, 1000, HIGHEST]  # the even one of two that are as near
    assert row_symbols(DRIVE, given, unit).tolist() == due
    assert row_symbols(DRIVE, -given, unit).tolist() == [-symbol for symbol in due]
    rows = np.random.default_rng(1).normal(size=(3, 2, 5))
    symbols = row_symbols(DRIVE, rows, 1e-3)
    assert symbols.shape == rows.shape and symbols.dtype == np.int64
    np.testing.assert_allclose(symbols * 1e-3, rows, atol=0.5e-3)


def test_symbols_beyond_the_format_are_refused():
    row_symbols(DRIVE, [HIGHEST + 0.49], 1.0)
    for beyond in (HIGHEST + 0.51, -HIGHEST - 1.51):
        with pytest.raises(RangeError, match=r"row symbol = .* is outside"):
            row_symbols(DRIVE, [beyond], 1.0)


@pytest.mark.parametrize("largest", [1e-6, 0.1, 3.0, 17.3, 23.99])
def test_the_scale_is_the_smallest_that_the_largest_quadrature_fits(largest):
    scale = drive_scale(DRIVE, largest, 24.0)
    steps = scale / DRIVE.scale.lsb
    assert steps == int(steps) >= 1
    assert largest <= HIGHEST * symbol_unit(DRIVE, 24.0, scale) * (1 + 1e-12)
    assert steps == 1 or largest > HIGHEST * symbol_unit(DRIVE, 24.0, scale - DRIVE.scale.lsb)
    row_symbols(DRIVE, [largest, -largest], symbol_unit(DRIVE, 24.0, scale))


def test_light_beyond_full_scale_is_refused():
    fits = 24.0 * HIGHEST / (HIGHEST + 1)
    assert drive_scale(DRIVE, fits * (1 - 1e-9), 24.0) == 1
    with pytest.raises(RangeError, match=r"24\.01 √SNU; allowed: \[0, 24\], the full scale"):
        drive_scale(DRIVE, 24.01, 24.0)


def test_a_server_with_a_node_and_the_loop_send_the_same_symbols():
    """A layer's largest weight is the largest symbol in the loop. Where full scale is that bright,
    a server that sends through a node puts the same integers out."""
    weights = np.random.default_rng(2).normal(size=(5, 31))
    rows = encode_rows(weights, 8.0)
    both = np.stack([rows.x, rows.p], axis=1)
    full = float(np.abs(both).max()) / (HIGHEST * DRIVE.symbol.lsb)
    symbols = row_symbols(DRIVE, both, symbol_unit(DRIVE, full))
    assert np.abs(symbols).max() == HIGHEST
    # Twice as bright a full scale: the drive's scale halves, to the next step.
    scale = drive_scale(DRIVE, float(np.abs(both).max()), 2 * full)
    assert scale == pytest.approx(0.5, abs=DRIVE.scale.lsb)
    again = row_symbols(DRIVE, both, symbol_unit(DRIVE, 2 * full, scale))
    assert np.abs(again - symbols).max() <= 1
    assert light.REFERENCE == 0.7


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


@pytest.mark.parametrize("modes", [1, 8, 40, 112, 245, 259, 392, 4096])
def test_every_row_has_a_frame_of_half_the_length_too(modes):
    """With 2 samples a symbol, 250 modes take fewer runs: the receiver would not keep up."""
    specs = [DigitiserSpec(quadratures=n, samples_per_symbol=2) for n in (2, 1)]
    layout = layout_of(modes, specs[0])
    assert layout == layout_of(modes, specs[1]) and layout.row == modes
    for spec in specs:
        for record in range(3):
            settings = receiver_settings(spec, DRIVE, layout, 1 << 14)
            replace(settings, record=record).validate(spec)
    fewer = -(-modes // layout.pilot_spacing) < -(-modes // layout_of(modes).pilot_spacing)
    assert fewer == (modes in (245, 259)) and layout.guard >= 16


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
    assert Parts(8, 13, 4).frames == 17 * (32 + 8) and LEAD_IN == 32


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
