"""What the client's optics make of a frame: which pulse goes where, and what is added."""

import math

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import directions
from shotveil.models.signal.frame import FrameLayout, Slot
from shotveil.models.waveform.client import ClientOptics
from shotveil.models.waveform.mesh import QUARTER, Mesh, angles_of
from shotveil.models.waveform.pulses import Pulses

LAYOUT = FrameLayout(row=48, pilot_spacing=16)
PULSES = Pulses(LAYOUT.length, 4, 32, 0.5)
SLOTS = LAYOUT.slots()
(ROW,) = np.nonzero(SLOTS == Slot.ROW)
(REFERENCES,) = np.nonzero((SLOTS == Slot.PREAMBLE) | (SLOTS == Slot.PILOT))
GAIN, MODE = 1.5, 20


def optics(vacuum=True, gain=GAIN, mode=MODE):
    return ClientOptics(LAYOUT, PULSES, gain, mode, np.random.default_rng(1), vacuum)


@pytest.fixture
def mesh():
    (xi,), _ = directions(np.random.default_rng(2).normal(size=(1, 96)))
    angles = angles_of(xi) * QUARTER
    return Mesh(angles, angles)


def test_without_noise_the_tap_has_references_and_mode_one_and_all_light_returns(mesh):
    amplitudes = np.random.default_rng(3).normal(size=(4, LAYOUT.length, 2)) @ [1, 1j]
    amplitudes[:, -8:] = 0  # pulses that would not fit into the frame
    light = PULSES.synthesise(amplitudes)
    tapped, returned = optics(vacuum=False).frames(light, mesh)
    seen = PULSES.analyse(tapped) / math.sqrt(GAIN - 1)
    np.testing.assert_allclose(seen[:, REFERENCES], amplitudes[:, REFERENCES], atol=1e-9)
    one = amplitudes[:, ROW] @ mesh.direction.conj()
    np.testing.assert_allclose(seen[:, ROW[MODE]], one, atol=1e-9)
    others = np.setdiff1d(np.arange(LAYOUT.length), [*REFERENCES, ROW[MODE]])
    np.testing.assert_allclose(seen[:, others], 0, atol=1e-9)
    np.testing.assert_allclose(returned, light, atol=1e-9)
    assert optics(vacuum=False).white == 0 and optics().white == GAIN / 2
    usual = ClientOptics(LAYOUT, PULSES, GAIN, MODE, np.random.default_rng(1))
    assert usual.white == GAIN / 2


def test_the_amplifiers_noise_is_in_references_and_along_the_direction(mesh):
    frames = 2000
    light = np.zeros((frames, LAYOUT.length * 4), complex)
    tapped, returned = optics().frames(light, mesh)
    change, seen = PULSES.analyse(returned), PULSES.analyse(tapped)
    nu = change[:, ROW] @ mesh.direction.conj()
    np.testing.assert_allclose(change[:, ROW], np.outer(nu, mesh.direction), atol=1e-5)
    quantum, error = 2 * (GAIN - 1) / GAIN, 5 * math.sqrt(2 / frames)
    assert nu.real.var() == pytest.approx(quantum, rel=error)
    assert change[:, REFERENCES].imag.var() == pytest.approx(quantum, rel=error)
    dark = np.setdiff1d(np.arange(LAYOUT.length), [*REFERENCES, *ROW])
    np.testing.assert_allclose(change[:, dark], 0, atol=1e-5)
    # In the tap each has its share of what it did to the light.
    share = (GAIN - 2) / (2 * math.sqrt(GAIN - 1))
    np.testing.assert_allclose(seen[:, REFERENCES], share * change[:, REFERENCES], atol=1e-5)
    np.testing.assert_allclose(seen[:, ROW[MODE]], share * nu, atol=1e-5)
    # Elsewhere the mesh's first output is vacuum, with the amplifier's noise on top.
    expected = GAIN - 1 + share**2 * quantum
    free = np.setdiff1d(ROW, ROW[MODE])
    assert seen[:, free].real.var() == pytest.approx(expected, rel=0.03)


def test_gain_and_mode_are_checked():
    with pytest.raises(RangeError, match="gain"):
        optics(gain=1.0)
    for wrong in (-1, 48, 0.5):
        with pytest.raises(RangeError, match="mode"):
            optics(mode=wrong)
    optics(mode=0), optics(mode=47)
