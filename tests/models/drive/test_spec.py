"""Specs and settings that cannot be are refused with value and range, before anything is built."""

import dataclasses

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import Q
from shotveil.models.drive.spec import (
    Arm,
    DriveRegisters,
    DriveSettings,
    DriveSpec,
    arcsine_table,
    describe,
    registers,
)
from shotveil.models.signal.frame import FrameLayout


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"taps": 30}, "taps = 30 is not a multiple of samples_per_symbol = 4"),
        ({"samples_per_symbol": 17}, r"samples_per_symbol = 17 is outside .*\[2, 16\]"),
        ({"rolloff": 0}, r"rolloff = 0 is outside \(0, 1\]"),
        ({"dac_bits": 7}, r"dac_bits = 7 is outside the integers in \[8, 16\]"),
        ({"row_capacity": 500}, "row_capacity = 500 is not a power of two"),
        ({"row_capacity": 8192}, "row_capacity = 8192 is outside"),
        ({"arcsine_segments": 300}, "arcsine_segments = 300 is not a power of two"),
        ({"scaled": Q(1, 18)}, r"width of scaled = 19 is outside \[12, 18\]"),
        ({"symbol": Q(1, 10)}, "width of symbol = 11 is outside"),
        ({"sample": Q(2, 16)}, "integer bits of sample = 2 is outside"),
        ({"coefficient": Q(1, 17)}, "integer bits of coefficient = 1 is outside"),
        ({"gain": Q(2, 16, signed=False)}, "gain = UQ2.16 is unsigned"),
        ({"voltage": Q(2, 17)}, "integer bits of voltage = 2 is outside"),
        ({"voltage": Q(3, 15)}, "fraction bits of voltage = 15 is outside"),
        ({"counter_bits": 4}, "counter_bits = 4 is outside"),
        ({"sample": Q(1, 11), "arcsine_segments": 2048}, "leave nothing to interpolate"),
    ],
)
def test_specs_that_do_not_fit(changes, message):
    with pytest.raises(RangeError, match=message):
        DriveSpec(**changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"scale": 2.0}, r"scale = 2 is outside \[-2, 1\.9999\d*\], the range of Q2\.16"),
        ({"scale": -0.1}, r"scale = -0\.1 is outside \[0, ∞\)"),
        ({"reference": 1.0}, "reference = 1 is outside"),
        ({"arms": (Arm(half_wave=2.5), Arm())}, "half_wave = 2.5 is outside"),
        ({"arms": (Arm(), Arm(half_wave=0))}, "half_wave = 0 is outside"),
        ({"arms": (Arm(bias=1.0), Arm())}, "bias = 1 is outside"),
        ({"arms": (Arm(gain=float("nan")), Arm())}, "gain = nan is outside"),
        ({"layout": FrameLayout(guard=7)}, "guard = 7 is outside"),
        ({"coefficients": (1, 2, 3)}, r"coefficients has shape \(3,\); allowed: \(32,\)"),
        ({"coefficients": (200_000,) * 32}, "coefficients = 200000 is outside"),
    ],
)
def test_settings_that_cannot_be(changes, message):
    with pytest.raises(RangeError, match=message):
        registers(DriveSpec(), DriveSettings(**changes))


def test_row_must_fit_the_buffer():
    with pytest.raises(RangeError, match=r"row = 392 is outside \[1, 64\]"):
        registers(DriveSpec(row_capacity=64), DriveSettings())


def test_registers_hold_physical_values():
    raw = registers(DriveSpec(), DriveSettings(scale=0.75, reference=0.25, arms=(Arm(0.5), Arm(1))))
    assert raw.scale == 0.75 * 2**16
    assert raw.reference == 0.5 * 2**16  # stored references are ±½
    assert raw.half_wave.tolist() == [2**15, 2**16]
    np.testing.assert_array_equal(raw.coefficients, DriveSpec().pulse())
    held = registers(DriveSpec(), DriveSettings(angle=True))
    np.testing.assert_array_equal(held.coefficients, DriveSpec().hold())


def test_ports_and_back():
    """Every value has a port of its own, and comes back from it."""
    arms = (Arm(0.5, 0.1, 0.9), Arm(0.75, -0.2, 0.8))
    layout = FrameLayout(preamble=17, row=50, pilots=2, pilot_spacing=25, vacuum=9, guard=11)
    for flags in ({"angle": True}, {"stop_on_fault": False}, {"stop_on_saturation": False}):
        given = DriveSettings(layout=layout, scale=0.75, reference=0.25, arms=arms, **flags)
        raw = registers(DriveSpec(), given)
        ports = raw.ports()
        assert len(ports) == 6 + 5 + 6 and all(type(value) is int for value in ports.values())
        assert (ports["pilot_spacing"], ports["guard"], ports["scale"]) == (25, 11, 3 << 14)
        assert (ports["bias_q"], ports["gain_i"]) == (raw.bias[1], raw.gain[0])
        back = DriveRegisters.of_ports({"more": 1, **ports}, raw.coefficients)
        for name, value in vars(raw).items():
            np.testing.assert_array_equal(getattr(back, name), value, err_msg=name)
        assert back.ports() == ports and back.layout == layout


def test_spec_is_frozen_and_describes_itself():
    spec = DriveSpec()
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.taps = 64
    assert describe(spec)["voltage"] == "Q3.17"
    assert hash(spec) == hash(DriveSpec())


@pytest.mark.parametrize("segments", [64, 512, 4096])
def test_table_fits_the_multiplier_and_starts_at_zero(segments):
    table = arcsine_table(DriveSpec(arcsine_segments=segments))
    assert table.value[0] == 0
    assert table.slope.min() > 0
    assert 2**15 < table.slope.max() < 2**17
    assert np.all(np.diff(table.value) > 0)
    assert table.value.max() < 2**18


@pytest.mark.parametrize(
    "name, good, bad",
    [
        ("rolloff", (0.01, 1), (0, 1.01)),
        ("dac_bits", (8, 16), (7, 17, 9.5)),
        ("row_capacity", (4, 4096), (2, 8192, 3)),
        ("counter_bits", (8, 48), (7, 49, 8.5)),
        ("arcsine_segments", (64, 4096), (32, 8192, 96)),
        ("scale", (Q(2, 10), Q(4, 14)), (Q(2, 9), Q(2, 17), Q(1, 15), Q(5, 12))),
        ("scaled", (Q(1, 11), Q(1, 17)), (Q(1, 10), Q(1, 18), Q(2, 12), Q(0, 13))),
        ("coefficient", (Q(2, 10), Q(4, 14)), (Q(2, 9), Q(2, 17), Q(5, 12))),
        ("sample", (Q(1, 11), Q(1, 17)), (Q(1, 10), Q(1, 18), Q(0, 14))),
        ("gain", (Q(2, 10), Q(4, 14)), (Q(2, 9), Q(2, 17), Q(1, 15), Q(5, 12))),
        ("phase", (Q(1, 13), Q(1, 17)), (Q(1, 12), Q(1, 18), Q(0, 15), Q(2, 15))),
        ("half_wave", (Q(2, 10), Q(2, 16)), (Q(2, 9), Q(2, 17), Q(1, 15))),
        ("symbol", (Q(1, 11), Q(1, 17)), (Q(1, 10), Q(1, 18), Q(2, 13), Q(0, 15))),
        ("bias", (Q(1, 8), Q(1, 17)), (Q(0, 17), Q(2, 14), Q(1, 17, signed=False))),
        (
            "voltage",
            (Q(3, 17), Q(3, 30), Q(4, 17)),
            (Q(2, 17), Q(3, 16), Q(3, 31), Q(3, 17, signed=False)),
        ),
    ],
)
def test_ranges_of_a_spec(name, good, bad):
    for value in good:
        DriveSpec(**{name: value})
    for value in bad:
        with pytest.raises(RangeError, match=name):
            DriveSpec(**{name: value})


@pytest.mark.parametrize(
    "name",
    ["scale", "scaled", "coefficient", "sample", "gain", "phase", "half_wave", "symbol", "bias",
     "voltage"],
)  # fmt: skip
def test_all_formats_are_signed(name):
    usual = getattr(DriveSpec(), name)
    with pytest.raises(RangeError, match=f"{name} = U{usual} is unsigned; allowed: signed"):
        DriveSpec(**{name: Q(usual.integer, usual.fraction, signed=False)})


def test_what_depends_on_another_field():
    # Vπ of 3 integer bits needs a voltage of 4; 14 DAC bits 13 of voltage and phase.
    DriveSpec(half_wave=Q(3, 15), voltage=Q(4, 17))
    with pytest.raises(RangeError, match="integer bits of voltage = 3"):
        DriveSpec(half_wave=Q(3, 15))
    DriveSpec(bias=Q(1, 8), voltage=Q(3, 13))
    with pytest.raises(RangeError, match="fraction bits of voltage = 12"):
        DriveSpec(bias=Q(1, 8), voltage=Q(3, 12))
    DriveSpec(dac_bits=16, phase=Q(1, 15))
    with pytest.raises(RangeError, match="fraction bits of phase = 14"):
        DriveSpec(dac_bits=16, phase=Q(1, 14))
    DriveSpec(sample=Q(1, 11), arcsine_segments=1024)
    with pytest.raises(RangeError, match="nothing to interpolate"):
        DriveSpec(sample=Q(1, 11), arcsine_segments=2048)


def test_what_follows_from_a_spec():
    spec = DriveSpec(taps=40, gain=Q(3, 15), sample=Q(1, 15), dac_bits=12)
    assert spec.span == 10 and str(spec.request) == "Q4.15" and str(spec.dac) == "Q1.11"
    # 512 segments take 9 of the 15 bits of a magnitude.
    assert spec.segment_bits == 6 and spec.length_width == 13


def test_defaults_are_those_of_the_documentation():
    spec, settings = DriveSpec(), DriveSettings()
    assert describe(spec) == {
        "samples_per_symbol": "4", "taps": "32", "rolloff": "0.5", "symbol": "Q1.15",
        "scale": "Q2.16", "scaled": "Q1.17", "coefficient": "Q2.16", "sample": "Q1.17",
        "gain": "Q2.16", "arcsine_segments": "512", "phase": "Q1.17", "half_wave": "Q2.16",
        "bias": "Q1.17", "voltage": "Q3.17", "dac_bits": "14", "row_capacity": "4096",
        "counter_bits": "32",
    }  # fmt: skip
    assert (settings.scale, settings.reference, settings.angle) == (1, 0.7, False)
    assert settings.stop_on_fault and settings.stop_on_saturation and settings.coefficients is None
    assert Arm() == Arm(half_wave=0.9, bias=0.0, gain=1.0)
    assert settings.layout == FrameLayout() and settings.arms == (Arm(), Arm())


def test_ranges_of_settings():
    spec = DriveSpec()
    lsb = spec.dac.lsb
    for arm in (Arm(bias=1 - lsb - 1e-6), Arm(bias=-1 + lsb + 1e-6), Arm(half_wave=1e-4)):
        registers(spec, DriveSettings(arms=(arm, Arm())))
    bad = [("bias", 1 - lsb), ("bias", -1 + lsb), ("half_wave", 0), ("gain", 0), ("gain", -1)]
    for name, value in bad:
        for arms in ((Arm(**{name: value}), Arm()), (Arm(), Arm(**{name: value}))):
            with pytest.raises(RangeError, match=f"^{name} = "):
                registers(spec, DriveSettings(arms=arms))
    registers(spec, DriveSettings(scale=0, reference=0, layout=FrameLayout(guard=8)))
    highest = (2 - 2**-16) / 2
    assert registers(spec, DriveSettings(reference=highest)).reference == 2**17 - 1
    with pytest.raises(RangeError, match="reference"):
        registers(spec, DriveSettings(reference=highest + 1e-6))
    with pytest.raises(RangeError, match=r"reference = -0\.1"):
        registers(spec, DriveSettings(reference=-0.1))
    for tap, fits in ((2**17 - 1, True), (-(2**17), True), (2**17, False), (-(2**17) - 1, False)):
        settings = DriveSettings(coefficients=(tap,) + (0,) * 31)
        if fits:
            assert registers(spec, settings).coefficients.tolist() == [tap] + [0] * 31
        else:
            with pytest.raises(RangeError, match="coefficients = "):
                registers(spec, settings)
    registers(DriveSpec(row_capacity=512), DriveSettings(layout=FrameLayout(row=512)))
    with pytest.raises(RangeError, match=r"row = 513 is outside \[1, 512\]"):
        registers(DriveSpec(row_capacity=512), DriveSettings(layout=FrameLayout(row=513)))


def test_registers_pass_on_what_is_set():
    arms = (Arm(0.5, -0.25, 1.5), Arm(0.75, 0.125, 0.5))
    layout = FrameLayout(row=20)
    for flag in (False, True):
        raw = registers(
            DriveSpec(),
            DriveSettings(layout, arms=arms, angle=flag, stop_on_fault=flag,
                          stop_on_saturation=not flag),
        )  # fmt: skip
        assert (raw.angle, raw.stop_on_fault, raw.stop_on_saturation) == (flag, flag, not flag)
        assert raw.layout is layout
        assert raw.gain.tolist() == [3 << 15, 1 << 15]
        assert raw.bias.tolist() == [-(1 << 15), 1 << 14]


@pytest.mark.parametrize("segments", [64, 512])
def test_chords_are_half_as_far_above_the_arcsine_as_below(segments):
    table = arcsine_table(DriveSpec(arcsine_segments=segments))
    assert table.value.shape == table.slope.shape == (segments,)
    assert table.value_bits == 18
    u = (np.arange(segments)[:, None] + np.linspace(0, 1, 201)) / segments
    chord = table.value[:, None] + table.slope[:, None] * np.linspace(0, 1, 201) / (
        2.0**table.slope_shift
    )
    error = chord / 2**18 - np.arcsin(np.minimum(u, 1)) * 2 / np.pi
    # Away from the end, where curvature is even over a segment; values round by half of 2^−18,
    # and slopes by less.
    inner = slice(0, int(0.9 * segments))
    above, below = error[inner].max(axis=1), -error[inner].min(axis=1)
    np.testing.assert_allclose(above, below, atol=2 * 2.0**-18)
    # The first chord cannot start below 0. The steepest slope fills the multiplier.
    assert table.slope.max() * 2 >= 2**17 > table.slope.max()
    assert np.all(chord[-1] / 2**18 <= 1 - 2.0**-17 + 2.0**-18)
