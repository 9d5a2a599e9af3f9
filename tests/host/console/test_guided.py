"""Calibration through a node: what it finds of simulated light is what was simulated."""

import numpy as np
import pytest

from shotveil.host.console import guided
from shotveil.host.console.probe_light import BenchSettings, ProbeLight
from shotveil.host.devices.light import FibreSettings, LightDevice
from shotveil.host.devices.node import Node
from shotveil.host.devices.opening import open_node
from shotveil.models.common.checks import RangeError
from shotveil.models.node.spec import NodeSpec

FIBRE = FibreSettings(bias=-0.03, half_wave=0.88, drift=0.0, electronic_noise=0.05, delay=77)


def light_through(device):
    return ProbeLight(Node(device), BenchSettings(), np.random.default_rng(1))


def calibrate(device, **given):
    said = []

    def shutters(signal, oscillator, prompt):
        said.append(prompt)
        device.shutter(signal=signal, oscillator=oscillator)

    steps = []
    found = guided.run(light_through(device), given.get("shutters", shutters), steps.append,
                       given.get("halt", lambda: None))  # fmt: skip
    return found, said, steps


@pytest.fixture(scope="module")
def calibrated():
    return calibrate(LightDevice(NodeSpec("server"), FIBRE))


def near(measured, value, least=0.0):
    assert abs(measured.value - value) < 5 * max(measured.error, least)


def test_it_finds_what_was_simulated(calibrated):
    (found, _, light), said, steps = calibrated
    for arm in found.arms:
        near(arm.bias, -0.03)
        near(arm.half_wave, 0.88)
        near(arm.leak, 0.0)
    near(found.quadrature, 0.0)
    near(found.delay, 77, 0.01)
    receiver = found.receiver
    assert receiver.dark_variance / receiver.shot_variance == pytest.approx(0.05, rel=0.03)
    assert light.receiver is receiver and light.scale == receiver.scale[0]
    assert [text.split()[0] for text in said] == ["Block", "Switch", "Let"]
    assert steps[0] == "vacuum" and "delay" in steps[-1]


def test_pictures_show_points_and_fit(calibrated):
    (_found, pictures, _), _, _ = calibrated
    for picture in pictures:
        assert len(picture.voltages) == len(picture.measured) == 20
        fitted = np.interp(picture.voltages, picture.grid, picture.fitted)
        assert np.abs(fitted - picture.measured).max() < 0.05 * np.ptp(picture.measured)
        assert picture.measured[-1] > 0 > picture.measured[0]


def test_the_verdict_is_in_words(calibrated):
    (found, _, _), _, _ = calibrated
    words = guided.in_words(found)
    assert words["good"] and words["verdict"].startswith("The bench is calibrated.")
    table = dict(words["rows"])
    value, sign, _ = table["arm I: Vπ"].split(maxsplit=2)
    assert sign == "±" and float(value) == pytest.approx(0.88, abs=0.005)


def test_too_much_electronic_noise_is_said():
    noisy = LightDevice(NodeSpec("server"), FibreSettings(electronic_noise=0.5, drift=0.0))
    (found, _, _), _, _ = calibrate(noisy)
    words = guided.in_words(found)
    assert not words["good"] and "below 10 dB" in words["verdict"]


def test_a_bench_without_oscillator_is_refused_in_words():
    device = LightDevice(NodeSpec("server"), FIBRE)
    with pytest.raises(RangeError, match="is the local oscillator on"):
        calibrate(
            device,
            shutters=lambda *_: device.shutter(signal=False, oscillator=False),
        )


def test_a_bench_without_light_is_refused_in_words():
    device = LightDevice(NodeSpec("server"), FibreSettings(transmittance=0.0))
    with pytest.raises(RangeError, match="is there light"):
        calibrate(device)


def test_it_stops_when_it_is_told_to():
    class Halted(Exception):
        pass

    def halt():
        raise Halted

    with pytest.raises(Halted):
        calibrate(LightDevice(NodeSpec("server"), FIBRE), halt=halt)


def test_a_clients_node_is_refused():
    with open_node("model:client") as node:
        light = ProbeLight(node, BenchSettings())
        with pytest.raises(RangeError, match="client's node"):
            guided.run(light, lambda *_: None, lambda _: None, lambda: None)
