"""Test light: what is measured of known light is what it is."""

import numpy as np
import pytest

from shotveil.host.console.probe_light import BenchSettings, ProbeLight
from shotveil.host.devices.light import FibreSettings, LightDevice
from shotveil.host.devices.node import Node
from shotveil.host.devices.opening import open_node
from shotveil.host.leakage.certificate import ChannelEstimate
from shotveil.host.verification.estimation import Calibration
from shotveil.models.common.checks import RangeError
from shotveil.models.drive.spec import Arm
from shotveil.models.node.spec import NodeSpec

SPEC = NodeSpec("server")
FIBRE = FibreSettings(transmittance=0.9, excess_noise=0.05, electronic_noise=0.02, drift=0.0)
SCALE = 1 << 15
RAW = (SCALE * SPEC.digitiser.scale.lsb / SPEC.digitiser.symbol.lsb * FIBRE.step) ** 2


def calibrated(device, **settings):
    """Light with a perfect calibration of a device with the settings `FIBRE`."""
    receiver = Calibration(1.02 * RAW, 0.02 * RAW, 10**9, 10**9, (SCALE, SCALE), 2)
    arm = Arm(half_wave=FIBRE.half_wave, bias=FIBRE.bias)
    return ProbeLight(
        Node(device), BenchSettings(**settings), np.random.default_rng(1), receiver, (arm, arm),
        scale=SCALE,
    )  # fmt: skip


def test_the_channel_is_found_and_judged():
    declared = ChannelEstimate(0.9, 0.05)
    light = calibrated(LightDevice(SPEC, FIBRE), declared=declared, rows=200)
    for _ in range(6):
        found = light.measure()
    seen = found.verdict
    assert seen.accepted
    assert abs(seen.transmittance - 0.9) < 4 * seen.transmittance_error < 0.03
    assert abs(seen.excess_noise - 0.05) < 4 * seen.excess_noise_error < 0.06
    assert seen.symbols == 6 * 200 * 240
    assert found.batch.samples.shape == (2, SPEC.capture)
    assert light.delay == FIBRE.delay


def test_a_tap_is_noticed_and_the_estimates_follow():
    device = LightDevice(SPEC, FIBRE)
    light = calibrated(device, declared=ChannelEstimate(0.9, 0.05), batches=2, rows=100)
    assert light.measure().verdict.accepted
    device.change(transmittance=0.6, excess_noise=0.4)
    light.measure()
    seen = light.measure().verdict
    assert not seen.accepted and "too low" in seen.reason and "too high" in seen.reason
    assert seen.symbols == 2 * 100 * 240  # those before the tap are forgotten


def test_a_drifting_phase_is_seen():
    device = LightDevice(SPEC, FIBRE)
    light = calibrated(device)
    still = light.measure().phases
    assert still[-1] == pytest.approx(0.3, abs=0.02)  # where the simulated light begins
    assert len(still) > 200


def test_without_a_calibration_there_is_no_verdict():
    with open_node("model:server") as node:
        light = ProbeLight(node, BenchSettings(rows=4))
        found = light.measure()
        assert found.verdict is found.limits is None and not found.batch.refusals


def test_a_clients_node_shows_its_light_without_a_verdict():
    with open_node("model:client") as node:
        found = ProbeLight(node, BenchSettings(rows=4)).measure()
        assert found.batch.samples.shape[0] == 1 and found.verdict is None


def test_what_a_person_set_holds_for_the_next_batch():
    with open_node("model:server") as node:
        light = ProbeLight(node, BenchSettings(rows=4))
        light.overrides["drive_scale"] = 0.125
        light.measure()
        assert node.registers.drive_scale.get() == 0.125


@pytest.mark.parametrize(
    ("name", "value"),
    [("full_scale", 0), ("level", 0), ("level", 1.1), ("efficiency", 0), ("rows", 0),
     ("modes", 1.5), ("batches", 0), ("declared", ChannelEstimate(0, 0)),
     ("declared", ChannelEstimate(1, -1))],
)  # fmt: skip
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(RangeError):
        BenchSettings(**{name: value})
