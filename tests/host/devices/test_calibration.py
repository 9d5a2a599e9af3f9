"""The procedure of the host, on the models of the nodes: it must find what it was not told."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.devices.calibration import NodeCalibration, calibrate
from shotveil.models.common.checks import RangeError
from shotveil.models.drive.spec import Arm
from shotveil.models.networks.network import Layer, load_network
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.modulator import true_arms
from shotveil.sim.loop.bench import ModelBench
from shotveil.sim.loop.settings import REALISTIC, LoopSettings, prepare, realistic

WRONG = (Arm(half_wave=0.9), Arm(half_wave=0.9))


def bench(settings: LoopSettings, **more) -> ModelBench:
    layer = Layer(load_network("mnist-paper").layers[0].weights[:20])
    return ModelBench(settings, prepare(settings, layer), **more)


@pytest.fixture(scope="module")
def found():
    settings = realistic(1.3, 2.4, REALISTIC)
    return settings, calibrate(bench(settings), WRONG, efficiency=0.9)


def test_bias_and_half_wave_voltage_are_found_from_far_off(found):
    settings, calibration = found
    for arm, true in zip(
        calibration.arms, true_arms(settings.impairments, settings.arms), strict=True
    ):
        assert arm.bias.error < 2e-3 and arm.half_wave.error < 4e-3
        assert abs(arm.bias.value - true.bias) < 5 * arm.bias.error
        assert abs(arm.half_wave.value - true.half_wave) < 5 * arm.half_wave.error


def test_leak_angle_delay_and_phase_are_found(found):
    settings, calibration = found
    leak = 10 ** (-settings.impairments.extinction / 20)
    for arm in calibration.arms:
        assert abs(arm.leak.value - leak) < 5 * arm.leak.error
    quadrature = calibration.quadrature
    assert abs(quadrature.value - settings.impairments.quadrature_error) < 5 * quadrature.error
    # The hold, the driver and the detector delay the pulse by fractions of a sample.
    delay = calibration.delay.value
    assert abs(delay - bench(settings).light.setup.to_server) < 0.6
    phase = settings.impairments.phase_out + settings.impairments.phase_back
    assert abs(calibration.phase.value - phase) < 0.02 + 5 * calibration.phase.error
    assert calibration.receiver.receiver.electronic_noise == pytest.approx(0.03, rel=0.05)


def test_light_sent_with_what_was_found_is_as_good_as_with_the_truth(found):
    settings, calibration = found
    i, q = calibration.drive_arms()
    sizes = [1 + excess for excess in settings.impairments.imbalance]
    assert i.gain / q.gain == pytest.approx(sizes[1] / sizes[0], abs=5e-3)
    u = np.linspace(-0.6, 0.6, 25)
    for arm, true in zip((i, q), true_arms(settings.impairments, settings.arms), strict=True):
        voltage = arm.half_wave * 2 / np.pi * np.arcsin(u) + arm.bias
        field = np.sin(np.pi / 2 * (voltage - true.bias) / true.half_wave)
        assert np.abs(field - u).max() < 5e-3


def test_it_is_stored_with_its_errors_and_read_again(found, tmp_path):
    _, calibration = found
    path = tmp_path / "calibration.json"
    calibration.save(path)
    assert NodeCalibration.load(path) == calibration
    path.write_text("{}")
    with pytest.raises(RangeError, match="cannot be read"):
        NodeCalibration.load(path)


def test_no_light_is_told_apart_from_a_modulator():
    settings = realistic(1.3, 2.4)
    made = bench(settings, frames=40)
    made._setup = replace(made._setup, amplitude=0.0)
    with pytest.raises(RangeError, match="is there light"):
        calibrate(made, WRONG)


def test_without_imperfections_only_noise_is_left():
    settings = realistic(1.3, 2.4, Impairments())
    calibration = calibrate(bench(settings), WRONG)
    for arm in calibration.arms:
        assert abs(arm.bias.value) < 5 * arm.bias.error
        assert abs(arm.leak.value) < 5 * arm.leak.error
    assert abs(calibration.delay.value - bench(settings).light.setup.to_server) < 0.05
