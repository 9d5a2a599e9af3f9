"""DAC codes: rounding, saturation, and zero from a fault on."""

import numpy as np
import pytest

from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive import dac
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers

SPEC = DriveSpec()


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_dac_rounds_without_bias_and_saturates(rng):
    raw = registers(SPEC, DriveSettings(stop_on_saturation=False))
    full = 1 << SPEC.voltage.fraction
    voltages = rng.integers(-full, int(0.999 * full), (2, 300_000))
    quiet = np.zeros(300_000, dtype=bool)
    codes, saturated, tripped = dac.model(SPEC, raw, voltages, quiet)
    error = to_float(codes, SPEC.dac) - to_float(voltages, SPEC.voltage)
    assert np.abs(error).max() <= SPEC.dac.lsb / 2
    # Every residue of the voltage occurs equally often: the mean's own spread is 1e-3 LSB.
    assert abs(error.mean()) <= 0.004 * SPEC.dac.lsb
    assert not saturated.any()
    assert not tripped
    codes, saturated, _ = dac.model(SPEC, raw, np.array([[full, -2 * full], [0, 0]]), quiet[:2])
    assert codes[0].tolist() == [SPEC.dac.highest, SPEC.dac.lowest]
    assert saturated.all()


def test_dac_is_zero_from_a_fault_on():
    raw = registers(SPEC, DriveSettings())
    voltages = np.full((2, 2, 6), 1 << 14)
    fault = np.zeros((2, 6), dtype=bool)
    fault[0, 4] = True
    codes, _, tripped = dac.model(SPEC, raw, voltages, fault)
    assert tripped
    assert np.all(codes[0, :, :4] != 0)
    assert not codes[0, :, 4:].any()
    assert not codes[1].any()
    codes, saturated, _ = dac.model(SPEC, raw, voltages * 100, ~fault, tripped=True)
    assert not codes.any()
    assert not saturated.any()  # what cannot leave is not counted


@pytest.mark.parametrize("on_fault", [False, True])
@pytest.mark.parametrize("on_saturation", [False, True])
def test_either_cause_stops_the_output_if_it_is_to(on_fault, on_saturation):
    raw = registers(SPEC, DriveSettings(stop_on_fault=on_fault, stop_on_saturation=on_saturation))
    full = 1 << SPEC.voltage.fraction
    voltages = np.full((1, 2, 8), 1 << 14)
    voltages[0, 1, 4] = voltages[0, 1, 6] = full  # one quadrature is enough
    fault = np.arange(8)[None] == 2
    codes, saturated, tripped = dac.model(SPEC, raw, voltages, fault)
    stop = 2 if on_fault else 4 if on_saturation else 8
    assert tripped is (on_fault or on_saturation)
    assert np.all(codes[0, :, :stop] != 0) and not codes[0, :, stop:].any()
    # The pair that trips is still looked at, those behind it are not.
    assert np.nonzero(saturated[0])[0].tolist() == [k for k in (4, 6) if k <= stop]


def test_the_last_voltage_that_fits():
    raw = registers(SPEC, DriveSettings(stop_on_saturation=False))
    unit = 1 << (SPEC.voltage.fraction - SPEC.dac.fraction)
    top, bottom = SPEC.dac.highest, SPEC.dac.lowest
    # Ties go to the even code: half a unit above the odd top is one too many, half below the
    # even bottom is not.
    line = [top * unit + unit // 2 - 1, top * unit + unit // 2, bottom * unit - unit // 2,
            bottom * unit - unit // 2 - 1]  # fmt: skip
    codes, saturated, _ = dac.model(SPEC, raw, np.array([line, [0] * 4]), np.zeros(4, bool))
    assert saturated.tolist() == [False, True, False, True]
    assert codes.tolist() == [[top, top, bottom, bottom], [0] * 4]
