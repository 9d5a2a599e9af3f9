import numpy as np
import pytest

from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive import chain, reference
from shotveil.models.drive.spec import Arm, DriveSettings, DriveSpec, registers
from shotveil.models.signal.frame import FrameLayout
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.modulator import Modulator, true_arms

SPEC = DriveSpec()
ARMS = (Arm(half_wave=0.9, bias=0.02), Arm(half_wave=0.8, bias=-0.03, gain=0.95))


def sent(rng):
    layout = FrameLayout(row=64, pilot_spacing=32)
    rows = rng.normal(0, 0.2, (2, 2, 64)).clip(-0.99, 0.99)
    settings = DriveSettings(layout=layout, arms=ARMS)
    codes = chain.model(SPEC, registers(SPEC, settings), reference.raw_symbols(SPEC, rows)).codes
    return settings, rows, codes.transpose(1, 0, 2).reshape(2, -1)


def test_without_imperfections_it_undoes_the_drives_linearisation():
    settings, rows, codes = sent(np.random.default_rng(1))
    field = Modulator(SPEC, Impairments(), ARMS)(codes)
    asked = reference.field(SPEC, settings, rows).transpose(1, 0, 2).reshape(2, -1)
    # Half a DAC step moves the field by π/2/Vπ/gain, at most 2.1 times as much; table and shaping
    # add a little.
    assert np.abs(field.real - asked[0]).max() < 3 * 2**-14
    assert np.abs(field.imag - asked[1]).max() < 3 * 2**-14


def test_extinction_leaves_its_share_of_the_largest_power_at_the_null():
    impaired = Impairments(extinction=20)
    (arm, _) = ARMS
    arms = (Arm(arm.half_wave, 0.0), Arm(arm.half_wave, 0.0))
    (null,) = Modulator(SPEC, impaired, arms)(np.zeros((2, 1), int))
    # Both arms leak a hundredth of their power.
    assert abs(null) ** 2 == pytest.approx(2e-2)


def test_errors_of_bias_and_half_wave_voltage_move_the_true_arms():
    impaired = Impairments(bias_error=(0.01, 0), half_wave_error=(0, 0.1))
    i, q = true_arms(impaired, ARMS)
    assert (i.bias, q.half_wave) == pytest.approx((0.03, 0.88))


def test_the_driver_settles_exponentially_and_blocks_do_not_matter():
    impaired = Impairments(driver_bandwidth=0.3, sampling=0.25, extinction=25)
    codes = np.random.default_rng(2).integers(-8000, 8000, (2, 1000))
    whole = Modulator(SPEC, impaired, ARMS)(codes)
    stream = Modulator(SPEC, impaired, ARMS)
    pieces = [stream(part) for part in np.split(codes, [1, 7, 500, 999], axis=1)]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))
    step = np.zeros((2, 3), int)
    step[0] = 1 << 12
    plain = Modulator(SPEC, Impairments(driver_bandwidth=0.3, sampling=0.25), (Arm(), Arm()))
    voltage = np.arcsin(plain(step).real) / (np.pi / 2) * 0.9
    time = np.arange(3) + 0.25
    rise = to_float(1 << 12, SPEC.dac) * (1 - np.exp(-2 * np.pi * 0.3 * time))
    np.testing.assert_allclose(voltage, rise, atol=1e-12)


def test_true_arms_carry_every_error_by_its_quadrature():
    impaired = Impairments(
        bias_error=(0.01, -0.02), half_wave_error=(0.1, -0.2), imbalance=(0.25, -0.5)
    )
    i, q = true_arms(impaired, (Arm(0.9, 0.02, 1.0), Arm(0.8, -0.03, 0.95)))
    assert (i.bias, i.half_wave, i.gain) == pytest.approx((0.03, 0.99, 0.8))
    assert (q.bias, q.half_wave, q.gain) == pytest.approx((-0.05, 0.64, 1.9))


def test_a_field_by_the_formula_of_the_modulator():
    """sin φ − iγ·cos φ in each arm, over its gain, the second turned by 90° and the error."""
    impaired = Impairments(extinction=26, quadrature_error=0.1)
    codes = np.random.default_rng(5).integers(-8000, 8000, (2, 50))
    field = Modulator(SPEC, impaired, ARMS)(codes)
    gamma, due = 10 ** (-26 / 20), 0
    for line, arm, axis in zip(codes / 8192, ARMS, (1, 1j * np.exp(0.1j)), strict=True):
        phi = np.pi / 2 * (line - arm.bias) / arm.half_wave
        due = due + axis / arm.gain * (np.sin(phi) - 1j * gamma * np.cos(phi))
    np.testing.assert_allclose(field, due, atol=1e-12)
