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
    field = Modulator(Impairments(), ARMS)(to_float(codes, SPEC.dac))
    asked = reference.field(SPEC, settings, rows).transpose(1, 0, 2).reshape(2, -1)
    # Half a DAC step moves the field by π/2/Vπ/gain, at most 2.1 times as much; table and shaping
    # add a little.
    assert np.abs(field.real - asked[0]).max() < 3 * 2**-14
    assert np.abs(field.imag - asked[1]).max() < 3 * 2**-14


def test_extinction_leaves_its_share_of_the_largest_power_at_the_null():
    impaired = Impairments(extinction=20)
    (arm, _) = ARMS
    arms = (Arm(arm.half_wave, 0.0), Arm(arm.half_wave, 0.0))
    (null,) = Modulator(impaired, arms)(np.zeros((2, 1)))
    # Both arms leak a hundredth of their power.
    assert abs(null) ** 2 == pytest.approx(2e-2)


def test_errors_of_bias_and_half_wave_voltage_move_the_true_arms():
    impaired = Impairments(bias_error=(0.01, 0), half_wave_error=(0, 0.1))
    i, q = true_arms(impaired, ARMS)
    assert (i.bias, q.half_wave) == pytest.approx((0.03, 0.88))


def test_quadrature_error_turns_q_away_from_the_right_angle():
    impaired = Impairments(quadrature_error=0.1)
    arms = (Arm(), Arm())
    voltage = np.array([[0.3, 0.0], [0.0, 0.3]])
    i, q = Modulator(impaired, arms)(voltage)
    assert i.imag == pytest.approx(0) and i.real > 0.4
    assert q == pytest.approx(i.real * 1j * np.exp(0.1j))


def test_imbalance_is_the_excess_of_an_arms_field():
    i, q = true_arms(Impairments(imbalance=(0.25, -0.2)), (Arm(gain=0.5), Arm(gain=0.5)))
    assert (i.gain, q.gain) == pytest.approx((0.4, 0.625))
    bright, _ = Modulator(Impairments(), (i, q))(np.array([[0.1, 0.1], [i.bias, 0.0]]))
    plain, _ = Modulator(Impairments(), (Arm(gain=0.5), q))(np.array([[0.1, 0.1], [0.0, 0.0]]))
    assert bright.real == pytest.approx(1.25 * plain.real)
