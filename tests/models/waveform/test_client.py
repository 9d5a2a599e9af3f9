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


LAYOUT_2 = FrameLayout(row=12, pilot_spacing=6, vacuum=4)

PULSES_2 = Pulses(LAYOUT_2.length, 4, 32, 0.5)

SLOTS_2 = LAYOUT_2.slots()

(ROW_2,) = np.nonzero(SLOTS_2 == Slot.ROW)

REFERENCES_2 = (SLOTS_2 == Slot.PREAMBLE) | (SLOTS_2 == Slot.PILOT)


def mesh_of(seed=1):
    (xi,), _ = directions(np.random.default_rng(seed).normal(size=(1, 24)))
    angles = angles_of(xi) * QUARTER
    return Mesh(angles, angles), xi


def client(gain=1.5, mode=7, vacuum=True, seed=2):
    return ClientOptics(LAYOUT_2, PULSES_2, gain, mode, np.random.default_rng(seed), vacuum)


def light(frames, seed=3):
    given = np.random.default_rng(seed).normal(size=(frames, LAYOUT_2.length, 2)) @ [2, 2j]
    given[:, -8:] = 0  # the guard
    return given


def test_without_noise_the_tap_sees_references_and_the_product():
    mesh, xi = mesh_of()
    given = light(5)
    tapped, returned = client(gain=1.5, vacuum=False).frames(PULSES_2.synthesise(given), mesh)
    seen = PULSES_2.analyse(tapped) / math.sqrt(0.5)
    np.testing.assert_allclose(seen[:, REFERENCES_2], given[:, REFERENCES_2], atol=1e-9)
    np.testing.assert_allclose(seen[:, ROW_2[7]], given[:, ROW_2] @ xi.conj(), atol=1e-9)
    dark = np.ones(LAYOUT_2.length, bool)
    dark[ROW_2[7]] = False
    dark &= ~REFERENCES_2
    np.testing.assert_allclose(seen[:, dark], 0, atol=1e-9)
    # All of the light returns.
    np.testing.assert_allclose(PULSES_2.analyse(returned), given, atol=1e-9)
    assert client(vacuum=False).white == 0


@pytest.mark.parametrize("gain", [1.5, 4.0])
def test_noise_of_either_output_and_what_they_share(gain):
    mesh, xi = mesh_of()
    frames = 6000
    tapped, returned = client(gain).frames(np.zeros((frames, LAYOUT_2.length * 4), complex), mesh)
    seen, back = PULSES_2.analyse(tapped), PULSES_2.analyse(returned)
    quantum = 2 * (gain - 1) / gain
    along = (gain - 2) / (2 * math.sqrt(gain - 1))
    error = 5 * math.sqrt(2 / frames)
    # References and the row's direction come back with ν, the rest as it was.
    (pilot,) = np.nonzero(SLOTS_2 == Slot.PILOT)[0][:1]
    nu = {"mode": back[:, ROW_2] @ xi.conj(), "pilot": back[:, pilot]}
    np.testing.assert_allclose(back[:, ROW_2], np.outer(nu["mode"], xi), atol=1e-9)
    np.testing.assert_allclose(back[:, (SLOTS_2 == Slot.VACUUM)], 0, atol=1e-9)
    for at, noise in ((ROW_2[7], nu["mode"]), (pilot, nu["pilot"])):
        for part in (noise.real, noise.imag):
            assert part.var() == pytest.approx(quantum, rel=error)
        covariance = np.mean(seen[:, at].real * noise.real)
        assert covariance == pytest.approx(along * quantum, abs=5 * quantum / math.sqrt(frames) * 2)
    # At the mesh's first output: vacuum of the port in mode 1's place and the chip's elsewhere,
    # none of it in the references, whose light brings its own.
    port = np.prod(np.cos(angles_of(xi)[0] * QUARTER)) ** 2
    for at, vacuum in ((ROW_2[7], port), (ROW_2[3], 1.0), (pilot, 0.0)):
        due = (gain - 1) * vacuum + along**2 * quantum
        if due > 1e-3:
            assert seen[:, at].imag.var() == pytest.approx(due, rel=error)
    assert client(gain).white == gain / 2


def test_light_that_is_in_no_pulse_passes():
    mesh, _ = mesh_of()
    rough = np.random.default_rng(5).normal(size=(3, LAYOUT_2.length * 4)) + 0j
    _, returned = client(vacuum=False).frames(rough, mesh)
    np.testing.assert_allclose(returned, rough, atol=1e-9)


def test_frames_are_the_same_alone_and_among_others():
    mesh, _ = mesh_of()
    given = PULSES_2.synthesise(light(6))
    whole = client().frames(given, mesh)
    other = client()
    parts = [other.frames(given[k : k + 2], mesh) for k in range(0, 6, 2)]
    for k in range(2):
        np.testing.assert_array_equal(np.concatenate([part[k] for part in parts]), whole[k])


def test_gain_and_mode_are_checked_as_well():
    for gain in (1.0, 0.5):
        with pytest.raises(RangeError, match="gain = "):
            client(gain=gain)
    client(mode=11), client(mode=0)
    for mode in (-1, 12, 0.5):
        with pytest.raises(RangeError, match="mode = "):
            client(mode=mode)
