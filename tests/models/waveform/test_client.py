"""The client's optics without noise and with it, mode by mode: docs/physics.md."""

import math

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import directions
from shotveil.models.signal.frame import FrameLayout, Slot
from shotveil.models.waveform.client import ClientOptics
from shotveil.models.waveform.mesh import QUARTER, Mesh, angles_of
from shotveil.models.waveform.pulses import Pulses

LAYOUT = FrameLayout(row=12, pilot_spacing=6, vacuum=4)
PULSES = Pulses(LAYOUT.length, 4, 32, 0.5)
SLOTS = LAYOUT.slots()
(ROW,) = np.nonzero(SLOTS == Slot.ROW)
REFERENCES = (SLOTS == Slot.PREAMBLE) | (SLOTS == Slot.PILOT)


def mesh_of(seed=1):
    (xi,), _ = directions(np.random.default_rng(seed).normal(size=(1, 24)))
    angles = angles_of(xi) * QUARTER
    return Mesh(angles, angles), xi


def client(gain=1.5, mode=7, vacuum=True, seed=2):
    return ClientOptics(LAYOUT, PULSES, gain, mode, np.random.default_rng(seed), vacuum)


def light(frames, seed=3):
    given = np.random.default_rng(seed).normal(size=(frames, LAYOUT.length, 2)) @ [2, 2j]
    given[:, -8:] = 0  # the guard
    return given


def test_without_noise_the_tap_sees_references_and_the_product():
    mesh, xi = mesh_of()
    given = light(5)
    tapped, returned = client(gain=1.5, vacuum=False).frames(PULSES.synthesise(given), mesh)
    seen = PULSES.analyse(tapped) / math.sqrt(0.5)
    np.testing.assert_allclose(seen[:, REFERENCES], given[:, REFERENCES], atol=1e-9)
    np.testing.assert_allclose(seen[:, ROW[7]], given[:, ROW] @ xi.conj(), atol=1e-9)
    dark = np.ones(LAYOUT.length, bool)
    dark[ROW[7]] = False
    dark &= ~REFERENCES
    np.testing.assert_allclose(seen[:, dark], 0, atol=1e-9)
    # All of the light returns.
    np.testing.assert_allclose(PULSES.analyse(returned), given, atol=1e-9)
    assert client(vacuum=False).white == 0


@pytest.mark.parametrize("gain", [1.5, 4.0])
def test_noise_of_either_output_and_what_they_share(gain):
    mesh, xi = mesh_of()
    frames = 6000
    tapped, returned = client(gain).frames(np.zeros((frames, LAYOUT.length * 4), complex), mesh)
    seen, back = PULSES.analyse(tapped), PULSES.analyse(returned)
    quantum = 2 * (gain - 1) / gain
    along = (gain - 2) / (2 * math.sqrt(gain - 1))
    error = 5 * math.sqrt(2 / frames)
    # References and the row's direction come back with ν, the rest as it was.
    (pilot,) = np.nonzero(SLOTS == Slot.PILOT)[0][:1]
    nu = {"mode": back[:, ROW] @ xi.conj(), "pilot": back[:, pilot]}
    np.testing.assert_allclose(back[:, ROW], np.outer(nu["mode"], xi), atol=1e-9)
    np.testing.assert_allclose(back[:, (SLOTS == Slot.VACUUM)], 0, atol=1e-9)
    for at, noise in ((ROW[7], nu["mode"]), (pilot, nu["pilot"])):
        for part in (noise.real, noise.imag):
            assert part.var() == pytest.approx(quantum, rel=error)
        covariance = np.mean(seen[:, at].real * noise.real)
        assert covariance == pytest.approx(along * quantum, abs=5 * quantum / math.sqrt(frames) * 2)
    # At the mesh's first output: vacuum of the port in mode 1's place and the chip's elsewhere,
    # none of it in the references, whose light brings its own.
    port = np.prod(np.cos(angles_of(xi)[0] * QUARTER)) ** 2
    for at, vacuum in ((ROW[7], port), (ROW[3], 1.0), (pilot, 0.0)):
        due = (gain - 1) * vacuum + along**2 * quantum
        if due > 1e-3:
            assert seen[:, at].imag.var() == pytest.approx(due, rel=error)
    assert client(gain).white == gain / 2


def test_light_that_is_in_no_pulse_passes():
    mesh, _ = mesh_of()
    rough = np.random.default_rng(5).normal(size=(3, LAYOUT.length * 4)) + 0j
    _, returned = client(vacuum=False).frames(rough, mesh)
    np.testing.assert_allclose(returned, rough, atol=1e-9)


def test_frames_are_the_same_alone_and_among_others():
    mesh, _ = mesh_of()
    given = PULSES.synthesise(light(6))
    whole = client().frames(given, mesh)
    other = client()
    parts = [other.frames(given[k : k + 2], mesh) for k in range(0, 6, 2)]
    for k in range(2):
        np.testing.assert_array_equal(np.concatenate([part[k] for part in parts]), whole[k])


def test_gain_and_mode_are_checked():
    for gain in (1.0, 0.5):
        with pytest.raises(RangeError, match="gain = "):
            client(gain=gain)
    client(mode=11), client(mode=0)
    for mode in (-1, 12, 0.5):
        with pytest.raises(RangeError, match="mode = "):
            client(mode=mode)
