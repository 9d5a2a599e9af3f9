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
