"""The stages joined: blocks do not matter, and the noise is that of the symbol-level link."""

import math

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.link.encoding import directions
from shotveil.models.signal.frame import FrameLayout, Slot
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.mesh import QUARTER, Mesh, angles_of
from shotveil.models.waveform.optics import Optics, OpticsSetup
from shotveil.models.waveform.pulses import Pulses

LAYOUT = FrameLayout(row=48, pilot_spacing=16)
ROUGH = Impairments(
    driver_bandwidth=0.8,
    sampling=0.3,
    extinction=25,
    linewidth=1e-5,
    unmatched_out=3,
    unmatched_back=2,
    drift_back=1e-5,
    phase_out=0.3,
    delay_out=17,
    delay_back=40,
    transmittance_back=0.8,
    client_efficiency=0.9,
    server_electronic_noise=0.02,
    detector_bandwidth=0.7,
    adc_offset=3.0,
)


def mesh_of(rng, modes=48):
    (xi,), _ = directions(rng.normal(size=(1, 2 * modes)))
    angles = angles_of(xi) * QUARTER
    return Mesh(angles, angles), xi


def setup(impairments=ROUGH, **more):
    return OpticsSetup(LAYOUT, 1.3, 14.0, 20, impairments, **more)


@pytest.mark.parametrize("block", [1 + 97, 200, None])
def test_blocks_of_any_size_give_the_same_bits(block):
    mesh, _ = mesh_of(np.random.default_rng(1))
    period = setup().period
    block = block or period
    starts = [31 + period * k for k in range(6)] + [37 + period * 7]
    rng = np.random.default_rng(2)
    n = 9 * period
    codes, shifter = rng.integers(-4000, 4000, (2, n)), rng.integers(0, 8192, n)

    def run(size):
        optics = Optics(setup(), mesh, np.random.default_rng(3))
        parts = []
        for at in range(0, n, size):
            here = [s for s in starts if at <= s < at + size]
            part = slice(at, at + size)
            parts.append(optics.step(codes[:, part], here, shifter[part]))
        return [np.concatenate(words, axis=1) for words in zip(*parts, strict=True)]

    for one, other in zip(run(block), run(50), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pulses_are_orthonormal_modes():
    pulses = Pulses(LAYOUT.length, 4, 32, 0.5)
    rng = np.random.default_rng(4)
    amplitudes = rng.normal(size=(3, LAYOUT.length, 2)) @ [1, 1j]
    amplitudes[:, -8:] = 0
    np.testing.assert_allclose(pulses.analyse(pulses.synthesise(amplitudes)), amplitudes, atol=1e-9)


def test_noise_is_that_of_the_symbol_level_link():
    """Variances of what client and server see of a dark row, and what they share: docs/physics.md,
    ν and m of section 3, in units of the standard error."""
    rng = np.random.default_rng(5)
    mesh, xi = mesh_of(rng)
    s = setup(Impairments(), step=256.0)
    optics = Optics(s, mesh, np.random.default_rng(6))
    frames, period = 3000, s.period
    light = optics.way_out(np.zeros(frames * period, np.complex128))
    tapped, returned = optics.hold(
        np.concatenate([light, np.zeros(period, complex)]), [k * period for k in range(frames)]
    )
    homodyne = optics.homodyne()
    words = homodyne(tapped[period:], 0.0)
    signed = ((words[0] + 8192) % 16384) - 8192
    pulses = Pulses(LAYOUT.length, 4, 32, 0.5)
    slots = LAYOUT.slots()
    (row,) = np.nonzero(slots == Slot.ROW)
    seen = pulses.analyse((signed / 256.0 + 0j).reshape(frames, period))[:, row[20]].real
    back = pulses.analyse(returned[period:].reshape(frames, period))[:, row]
    before = pulses.analyse(light.reshape(frames, period))[:, row]
    g = s.gain
    error = math.sqrt(2 / frames)
    assert np.var(seen) == pytest.approx((2 * g**2 - 3 * g + 2) / g, rel=4 * error)
    # What was added to the returned light lies along ξ, with variance 2(G−1)/G.
    nu = (back - before) @ xi.conj()
    np.testing.assert_allclose(back - before, np.outer(nu, xi), atol=1e-9)
    assert np.var(nu.real) == pytest.approx(2 * (g - 1) / g, rel=4 * error)
    b = (before @ xi.conj()).real
    # m = √(G−1)·b + (G−2)/(2√(G−1))·ν + w
    expected = (g - 2) / (2 * math.sqrt(g - 1)) * 2 * (g - 1) / g
    covariance = np.cov(seen - math.sqrt(g - 1) * b, nu.real)[0, 1]
    assert covariance == pytest.approx(expected, abs=4 * 1.0 / math.sqrt(frames))
    # All other light comes back as it went.
    assert np.var(back.real) == pytest.approx(1 + 2 * (g - 1) / g / 48, rel=0.01)


def test_a_record_sees_shot_noise_of_one_unit_and_then_electronics_alone():
    mesh, _ = mesh_of(np.random.default_rng(7))
    impaired = Impairments(server_electronic_noise=0.04, client_electronic_noise=0.09)
    for oscillator, server, client in ((True, 1.04, 1.09), (False, 0.04, 0.09)):
        optics = Optics(
            setup(impaired, signal=False, oscillator=oscillator), mesh, np.random.default_rng(8)
        )
        words = optics.way_back(np.zeros(200_000, complex))
        signed = ((words + 8192) % 16384) - 8192
        assert np.var(signed / 256.0) == pytest.approx(server, rel=0.01)
        words = optics.homodyne()(np.zeros(200_000, complex), 0.0)
        signed = ((words + 8192) % 16384) - 8192
        assert np.var(signed / 256.0) == pytest.approx(client, rel=0.015)


def test_a_frame_that_was_not_announced_is_refused():
    mesh, _ = mesh_of(np.random.default_rng(9))
    optics = Optics(setup(), mesh, np.random.default_rng(10))
    period = setup().period
    for _ in range(3):
        optics.hold(np.zeros(period, complex), [])
    with pytest.raises(RangeError, match="in the past"):
        optics.hold(np.zeros(period, complex), [5])


def test_values_cannot_be_changed_once_they_are_checked():
    assert OpticsSetup.__dataclass_params__.frozen
