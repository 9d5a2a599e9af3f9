"""Adversaries in the loop are caught by what the server's node sums up, and nobody else is."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.devices.device import DeviceError
from shotveil.host.devices.node import Node
from shotveil.models.adversaries.intercept_resend import Interceptor
from shotveil.models.adversaries.tap import FibreTap
from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.spec import DigitiserSettings
from shotveil.models.node.light import layout_of
from shotveil.models.waveform.noise import Normals
from shotveil.sim.loop.attacks import attacks, probe, run_attack
from shotveil.sim.loop.session import Loop, Network
from shotveil.sim.loop.settings import realistic

SETTINGS = realistic(1.3, 2.4)
# The amplifier's noise is spread over a row's modes: the fewer, the sooner it shows. Loss shows in
# symbols, whatever row they are of: both layers' frames are as short as the receiver allows.
SHORT, FULL = probe(modes=8, rows=1200), probe(modes=100, rows=300)
CASES = [
    ("over-amplification", SHORT, "excess noise"),
    ("tap", FULL, "transmittance"),
    ("intercept-resend", FULL, "excess noise"),
]
BATCHES = 4


@pytest.fixture(scope="module")
def records():
    """Calibrations of the two layers."""
    return {layer: _records(layer) for layer in (SHORT, FULL)}


def _records(layer):
    return Loop(Network("attacked", (layer,)), SETTINGS).records(2000)


@pytest.mark.parametrize(("attack", "layer", "word"), CASES)
def test_whoever_attacks_is_caught(records, attack, layer, word):
    found = run_attack(attack, layer, SETTINGS, records[layer], BATCHES)
    assert not found.verdict.accepted
    assert f"{word}" in found.verdict.reason


@pytest.mark.parametrize("layer", [SHORT, FULL])
def test_an_honest_client_is_not(records, layer):
    found = run_attack("honest", layer, SETTINGS, records[layer], BATCHES)
    assert found.verdict.accepted and found.batches == BATCHES
    # Not by tolerance alone: what is seen is what was declared, to 4 standard errors.
    seen, unit = found.verdict, records[layer].server
    room = 4 * np.hypot(seen.excess_noise_error, 2 * unit.vacuum_error / unit.efficiency)
    assert abs(seen.excess_noise - found.declared.excess_noise) < room


@pytest.mark.parametrize(("attack", "layer", "word"), CASES)
def test_whoever_attacks_is_caught_by_gateware(records, attack, layer, word):
    """And gateware and models see the same, to the bit."""
    pytest.importorskip("shotveil.sim.loop.node_device")
    batches = 2 if layer is SHORT else 1  # as many as it takes
    seen = {
        backend: run_attack(attack, layer, SETTINGS, records[layer], batches, backend=backend)
        for backend in ("model", "rtl")
    }
    assert not seen["rtl"].verdict.accepted and word in seen["rtl"].verdict.reason
    assert seen["rtl"] == seen["model"]


def test_an_honest_client_is_not_caught_by_gateware(records):
    pytest.importorskip("shotveil.sim.loop.node_device")
    found = run_attack("honest", FULL, SETTINGS, records[FULL], 1, backend="rtl")
    assert found.verdict.accepted


def test_a_client_whose_node_fails_is_judged_all_the_same(records, monkeypatch):
    pytest.importorskip("shotveil.sim.loop.node_device")

    def gives_up(node, frames, progress):
        progress(0)
        for _ in range(20):  # while light is on its way
            node.device.read("state")
        raise DeviceError("nobody is at this node")

    monkeypatch.setattr(Node, "play_angles", gives_up)
    layer = probe(modes=100, rows=100)
    unit = replace(records[FULL], responses=(1.0,))
    found = run_attack("tap", layer, SETTINGS, unit, 1, backend="rtl")
    assert found.verdict.symbols == 2 * 100 * 100


def test_short_rows_have_frames_that_both_receivers_take():
    for modes in range(1, 400):
        layout = layout_of(modes)
        for spec in (SETTINGS.server, SETTINGS.client):
            DigitiserSettings(layout=layout).validate(spec)
    assert layout_of(392).pilot_spacing == 56 and layout_of(392).vacuum == 8


def test_intruders_do_to_light_what_they_say():
    light = np.full((400, 64), 3.0 + 1j)
    tapped = FibreTap(0.1).pass_on(light, Normals(np.random.default_rng(2)))
    assert tapped.mean() == pytest.approx(np.sqrt(0.9) * (3 + 1j), abs=0.02)
    assert tapped.real.var() == pytest.approx(0.1, rel=0.05)
    resent = Interceptor(0.25).pass_on(light, Normals(np.random.default_rng(3)))
    touched = np.any(resent != light, axis=1)
    assert touched.mean() == pytest.approx(0.25, abs=0.08)
    assert resent[touched].imag.var() == pytest.approx(2, rel=0.05)


def test_an_attack_or_a_backend_that_is_none_is_refused(records):
    with pytest.raises(RangeError, match="'cloner' is none of honest, "):
        run_attack("cloner", FULL, SETTINGS, records[FULL], 1)
    with pytest.raises(RangeError, match="none of model, rtl"):
        run_attack("honest", FULL, SETTINGS, records[FULL], 1, backend="glass")


def test_names_are_the_honest_clients_and_those_that_act_on_samples():
    assert set(attacks()) == {"honest", "over-amplification", "tap", "intercept-resend"}
