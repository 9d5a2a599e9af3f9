"""What a loop is set to, and how a layer becomes light in it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive.spec import Arm, DriveSpec
from shotveil.models.link.optics import Detector, Link
from shotveil.models.networks.network import Layer
from shotveil.models.node.light import layout_of
from shotveil.models.signal.frame import Slot
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.mesh import Mesh, angle_table, at_electrodes
from shotveil.sim.loop.settings import (
    REALISTIC,
    LoopSettings,
    angles_in,
    electrode_voltages,
    prepare,
    realistic,
)

LINK = Link(gain=1.3, photons=5.0)
LAYER = Layer(np.random.default_rng(1).normal(size=(6, 60)).astype(np.float32))


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("lead_in", (4, 4096), (3, 4097, 4.5)),
        ("reference", (1e-3, 1), (0, 1.001)),
        ("step", (32,), (31.9,)),
        ("seed", (0,), (-1, 0.5)),
    ],
)
def test_settings_have_ranges(name, allowed, refused):
    for value in allowed:
        LoopSettings(LINK, **{name: value})
    for value in refused:
        with pytest.raises(RangeError, match=name):
            LoopSettings(LINK, **{name: value})


def test_there_has_to_be_light():
    with pytest.raises(RangeError, match="photons"):
        LoopSettings(replace(LINK, photons=0.0))


def test_optics_get_the_links_loss_and_detectors():
    link = replace(LINK, transmittance_out=0.9, client_detector=Detector(0.8, 0.1))
    made = LoopSettings.of(link, Impairments(extinction=20), seed=5)
    assert made.impairments.transmittance_out == 0.9 and made.impairments.extinction == 20
    assert made.impairments.client_efficiency == 0.8 and made.seed == 5
    assert LoopSettings.of(LINK).impairments == Impairments()


def test_other_optics_leave_light_and_gain():
    made = LoopSettings(LINK).with_impairments(Impairments(transmittance_back=0.5))
    assert made.link == replace(LINK, transmittance_back=0.5)
    assert made.impairments.transmittance_back == 0.5


def test_the_realistic_loop_is_calibrated_and_bright_enough():
    made = realistic(1.3, 2.4)
    assert made.impairments == REALISTIC.calibrated() and made.link.gain == 1.3
    assert made.link.f2 == pytest.approx(2.4) and made.link.transmittance_out == 0.98
    assert realistic(1.3, 2.4, Impairments()).impairments == Impairments()


def test_a_layer_is_led_in_by_darkness_and_followed_by_the_null():
    settings = LoopSettings(LINK, lead_in=5, impairments=Impairments(delay_out=30, delay_back=9))
    light = prepare(settings, LAYER)
    frames, period = 5 + 6, light.setup.period
    assert light.rows.shape == (frames, 2, 30) and not light.rows[:5].any()
    assert light.rows[5:].any(axis=(1, 2)).all()
    assert light.starts == [k * period for k in range(frames)]
    assert light.codes.shape == (2, frames * period + period + 39 + 1024)
    after = light.codes[:, frames * period :]
    assert (after == after[:, :1]).all()
    assert light.setup.mode == 15 and light.setup.layout == layout_of(30)
    np.testing.assert_array_equal(light.q[:, 6 * 30 : 7 * 30], light.rows[6])
    assert light.setup.span == settings.lock.span and light.setup.vacuum


def test_symbols_in_their_unit_are_the_weights_in_photons():
    light = prepare(LoopSettings(LINK, lead_in=4), LAYER)
    sent = light.rows[4:] * light.unit
    # Two weights a mode, the mean square of either 2μ = V_A.
    assert np.mean(sent.astype(float) ** 2) == pytest.approx(LINK.modulation_variance, rel=1e-3)
    largest = np.abs(light.rows).max()
    assert largest == DriveSpec().symbol.highest
    np.testing.assert_allclose(sent[:, 0], light.scale * LAYER.weights[:, ::2], atol=light.unit)


def test_light_beyond_drive_or_receiver_is_refused():
    with pytest.raises(RangeError, match="largest symbol at the server's detectors"):
        prepare(LoopSettings(replace(LINK, photons=600.0)), LAYER)
    loud = (Arm(gain=1.0, half_wave=1.0, bias=0.9), Arm())
    with pytest.raises(RangeError, match="allowed: none, lower the scale or the gains"):
        prepare(LoopSettings(LINK, arms=loud), LAYER)


def test_the_mesh_samples_amid_each_symbol_of_the_row():
    layout = layout_of(30)
    codes = np.arange(2 * layout.length * 4).reshape(2, -1)
    (row,) = np.nonzero(layout.slots() == Slot.ROW)
    np.testing.assert_array_equal(angles_in(codes, layout, 4), codes[:, 4 * row + 2])


def test_electrodes_get_what_the_table_says():
    settings, layout = LoopSettings(LINK), layout_of(30)
    table = np.linspace(-20_000, 20_000, 60).astype(int).reshape(2, 30)
    voltages = electrode_voltages(settings, layout, table)
    assert voltages.shape == (2, 30)
    asked = to_float(table, settings.drive.symbol)
    # An electrode's half-wave voltage is 0.9 of full scale, a quarter turn half of it.
    slope, _ = np.polyfit(asked.ravel(), voltages.ravel(), 1)
    rest = voltages - slope * asked
    assert slope > 0 and np.abs(rest).max() < 2e-3
    assert math.isfinite(slope)


@pytest.mark.parametrize("sign", [1, -1, 1j, -1j])
def test_the_mesh_gets_directions_of_any_sign(sign):
    xi = np.full(30, sign / math.sqrt(30))
    settings, layout = LoopSettings(LINK), layout_of(30)
    table = angle_table(xi, settings.drive.symbol)
    angles = at_electrodes(electrode_voltages(settings, layout, table), settings.electrodes)
    assert abs(np.vdot(Mesh(angles, angles).direction, xi)) > 0.999


def test_angles_that_switch_the_drive_off_are_refused():
    settings = LoopSettings(LINK)
    table = np.full((2, 30), -settings.drive.symbol.highest - 1)
    with pytest.raises(RangeError, match="beyond the reach of the client's drive"):
        electrode_voltages(settings, layout_of(30), table)


def test_the_same_optics_between_nodes_of_other_symbols():
    four = realistic(1.3, 2.4)
    two = four.with_samples(2)
    specs = (two.drive, two.server, two.client)
    assert [spec.samples_per_symbol for spec in specs] == [2, 2, 2]
    one, other = four.impairments, two.impairments
    assert other.linewidth == one.linewidth / 2 and other.drift_out == one.drift_out / 2
    assert other.unmatched_back == 2 * one.unmatched_back
    changed = ("linewidth", "unmatched_out", "unmatched_back", "drift_out", "drift_back")
    assert other.without(*changed) == one.without(*changed) and two.link == four.link
    assert two.with_samples(4) == four
    with pytest.raises(RangeError, match="samples_per_symbol is 4 in the drive and 2 in a"):
        replace(four, client=two.client)
    light = prepare(two, Layer(np.ones((3, 784), np.float32)))
    assert light.setup.period == light.server.period == 2 * light.setup.layout.length == 880
