import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.detector import Detector
from shotveil.models.signal.frame import FrameLayout, Slot
from shotveil.models.waveform.client import ClientOptics
from shotveil.models.waveform.impairments import IMPAIRMENTS, Impairments
from shotveil.models.waveform.mesh import Mesh, angles_of
from shotveil.models.waveform.pulses import Pulses


def test_its_settings():
    assert Impairments().loss_imbalance == Impairments.realistic().loss_imbalance == 0
    assert Impairments(loss_imbalance=0.5).on == ("loss_imbalance",)
    for value in (-1e-9, 1.0):
        with pytest.raises(RangeError, match="loss_imbalance"):
            Impairments(loss_imbalance=value)


def test_its_part_in_the_noise_budget():
    cause = IMPAIRMENTS["loss imbalance"]
    assert cause.distorts and cause.budgeted


def test_the_link_of_symbols_knows_it():
    channel = Channel(loss_imbalance=0.1)
    assert Impairments(loss_imbalance=0.1).channel == channel
    assert Impairments().over(channel).loss_imbalance == 0.1
    with pytest.raises(RangeError, match=r"oscillator noise = 0.01 is outside"):
        Impairments().over(Channel(server_detector=Detector(oscillator_noise=0.01)))


@pytest.mark.parametrize("d", [0.0, 0.2])
def test_it_takes_a_part_of_the_light_along_the_data(d):
    layout = FrameLayout(row=48, pilot_spacing=16)
    pulses = Pulses(layout.length, 4, 32, 0.5)
    rng = np.random.default_rng(3)
    xi = rng.normal(size=48) + 1j * rng.normal(size=48)
    xi /= np.linalg.norm(xi)
    angles = angles_of(xi) * np.pi / 2
    mesh = Mesh(angles, angles)
    optics = ClientOptics(layout, pulses, 1.3, 0, rng, False, d)
    symbols = rng.normal(size=(1, layout.length)) + 1j * rng.normal(size=(1, layout.length))
    light = pulses.synthesise(symbols)
    sent = pulses.analyse(light)[0]
    got = pulses.analyse(optics.frames(light, mesh)[1])[0]
    slots = layout.slots()
    row = slots == Slot.ROW
    along = np.vdot(mesh.direction, sent[row])
    np.testing.assert_allclose(got[row], sent[row] - d * mesh.direction * along, atol=1e-2)
    pilots = slots == Slot.PILOT
    np.testing.assert_allclose(got[pilots], (1 - d) * sent[pilots], atol=1e-2)


def test_its_vacuum_keeps_the_light_physical():
    layout = FrameLayout(row=48, pilot_spacing=16)
    pulses = Pulses(layout.length, 4, 32, 0.5)
    angles = angles_of(np.full(48, 48**-0.5)) * np.pi / 2
    mesh = Mesh(angles, angles)
    optics = ClientOptics(layout, pulses, 1.3, 0, np.random.default_rng(1), True, 0.5)
    noise = np.random.default_rng(2).normal(size=(1500, layout.length * 4, 2))
    light = noise.view(np.complex128)[..., 0]
    returned = pulses.analyse(optics.frames(light, mesh)[1])
    along = returned[:, layout.slots() == Slot.ROW] @ mesh.direction.conj()
    g = 2 * 0.3 / 1.3
    assert along.real.var() == pytest.approx(1 + 0.25 * g, abs=5 * (2 / 1500) ** 0.5)
