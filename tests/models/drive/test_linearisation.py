"""The modulator's voltage against the arcsine in floating point."""

import numpy as np
import pytest

from shotveil.models.common.fixedpoint import Q, to_float
from shotveil.models.drive import linearisation
from shotveil.models.drive.spec import Arm, DriveSettings, DriveSpec, registers

SPEC = DriveSpec()
OTHER = DriveSpec(samples_per_symbol=3, taps=21, dac_bits=12, arcsine_segments=128)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def uniform(rng, q, n, fraction=1.0):
    limit = int(q.highest * fraction)
    return rng.integers(-limit, limit + 1, (2, n))


@pytest.mark.parametrize("spec", [SPEC, OTHER])
def test_arcsine_over_every_magnitude(spec):
    magnitude = np.arange(spec.sample.highest + 1)
    phase = linearisation.arcsine(spec, magnitude)
    assert phase[0] == 0
    assert phase.max() <= spec.phase.highest
    u = to_float(magnitude, spec.sample)
    field = np.sin(np.pi / 2 * to_float(phase, spec.phase))
    # A chord lowered by half its height is off by h²/16·f'' in φ·π/2 with f'' = u/(1 − u²)^1.5, and
    # so by h²/16·u/(1 − u²) in the field; f'' is taken at the segment's end. On top come the
    # roundings of value (½ · 2^−18), slope (below that) and phase (½ · 2^−17), times π/2.
    h = 1 / spec.arcsine_segments
    low = u < 0.98
    end = u[low] + h
    bound = h**2 / 16 * end / (1 - end**2) + np.pi / 2 * 2.0**-17
    assert np.all(np.abs(field - u)[low] <= bound)
    # Near the end, where the arcsine is vertical, the chord over the last segment decides: its
    # ends are √(2h) apart in phase, and the field there is flat.
    assert np.abs(field - u).max() <= h / 2
    if spec is SPEC:
        dac_lsb = spec.dac.lsb
        assert np.abs(field - u)[u <= 0.99].max() < 0.1 * dac_lsb
        assert np.abs(field - u).max() < 5 * dac_lsb


@pytest.mark.parametrize("angle", [False, True])
def test_linearisation(angle, rng):
    arms = (Arm(0.9, 0.01, 1.0), Arm(0.7, -0.2, 0.95))
    raw = registers(SPEC, DriveSettings(arms=arms, angle=angle))
    samples = uniform(rng, SPEC.sample, 200_000, 0.95)
    quiet = np.zeros(samples.shape[1], dtype=bool)
    out, wrong, refused = linearisation.model(SPEC, raw, samples, quiet)
    assert not wrong.any()
    assert not refused.any()
    gain, half_wave, bias = (
        to_float(getattr(raw, name), q)[:, None]
        for name, q in (("gain", SPEC.gain), ("half_wave", SPEC.half_wave), ("bias", SPEC.bias))
    )
    asked = to_float(samples, SPEC.sample) * gain
    phase = asked if angle else np.arcsin(asked) * 2 / np.pi
    error = to_float(out, SPEC.voltage) - (half_wave * phase + bias)
    # Half a unit each of request, phase and voltage. The request's is steepened by the arcsine,
    # (2/π)/√(1 − 0.95²) = 2.04; the chord is off by at most (2/π)·h²/16·u/(1 − u²)^1.5 = 4.6e-6.
    steep = 1 if angle else 2.04
    chord = 0 if angle else 4.6e-6
    bound = SPEC.sample.lsb / 2 * (steep + 1) + SPEC.voltage.lsb / 2 + chord + 2.0**-18
    assert np.abs(error).max() <= bound
    # Signs are treated alike, so nothing drifts: far below a hundredth of the DAC's unit.
    assert np.abs(error.mean(axis=1)).max() <= 0.01 * SPEC.voltage.lsb + 4 * error.std() / 447


def test_linearisation_refuses_what_is_out_of_reach():
    raw = registers(SPEC, DriveSettings(arms=(Arm(0.5, 0.25, 1.5), Arm(0.5, 0.25, 1.0))))
    top = SPEC.sample.highest
    samples = np.array([[0, top // 2, top * 3 // 4, -top], [0, top, SPEC.sample.lowest, 0]])
    out, wrong, refused = linearisation.model(SPEC, raw, samples, np.array([True] + [False] * 3))
    assert refused.tolist() == [False, False, True, True]
    assert wrong.tolist() == [True, False, True, True]
    null = int(0.25 * 2**SPEC.voltage.fraction)
    # What is refused goes to the null; the other arm goes on.
    assert out[0, 2:].tolist() == [null, null]
    assert out[1].tolist()[::2] == [null, null]
    assert out[1, 1] > null + int(0.49 * 2**SPEC.voltage.fraction)


def test_the_sign_is_that_of_the_request_and_zero_has_none():
    raw = registers(SPEC, DriveSettings(arms=(Arm(0.5), Arm(0.5))))
    samples = np.array([[1, -1, 40_000, -40_000, 0], [0, 2, -2, 3, -3]])
    quiet = np.zeros(5, bool)
    out, _, _ = linearisation.model(SPEC, raw, samples, quiet)
    mirrored, _, _ = linearisation.model(SPEC, raw, -samples, quiet)
    np.testing.assert_array_equal(out, -mirrored)
    assert np.all(out[0, 2:4] * samples[0, 2:4] > 0) and out[0, 4] == 0


@pytest.mark.parametrize("angle", [False, True])
def test_the_last_request_within_reach(angle):
    raw = registers(SPEC, DriveSettings(arms=(Arm(0.5), Arm(0.5)), angle=angle))
    top = SPEC.sample.highest
    samples = np.array([[top, -top, -top - 1], [0, 0, 0]])
    fault = np.array([False, True, False])
    out, wrong, refused = linearisation.model(SPEC, raw, samples, fault)
    assert refused.tolist() == [False, False, True]
    assert wrong.tolist() == [False, True, True]
    half = 1 << (SPEC.voltage.fraction - 1)
    # The arcsine's last chord ends half its height below 1: h/2 of field, √(h)·2/π of phase.
    slack = 2 if angle else int(np.sqrt(1 / 512) * 2 / np.pi * half)
    assert half - slack <= out[0, 0] <= half
    assert out[0, 1] == -out[0, 0] and out[0, 2] == 0


def test_coarse_phases_round_and_stay_in_their_format():
    coarse = DriveSpec(phase=Q(1, 14))
    raw = registers(coarse, DriveSettings(arms=(Arm(1.0), Arm(1.0)), angle=True))
    # Eighths of a unit of phase: to nearest, ties away from zero; the largest stays below 1.
    samples = np.array([[3, 4, -4, 11, 12, SPEC.sample.highest], [0] * 6])
    out, _, refused = linearisation.model(coarse, raw, samples, np.zeros(6, bool))
    assert (out[0] / 8).tolist() == [0, 1, -1, 1, 2, coarse.phase.highest]
    assert not refused.any()


def test_what_is_refused_goes_to_the_null_exactly():
    raw = registers(SPEC, DriveSettings(arms=(Arm(1.0, 0.25), Arm(1.0, 0.25)), angle=True))
    out, _, refused = linearisation.model(
        SPEC, raw, np.array([[SPEC.sample.lowest, 0], [0, 1]]), np.zeros(2, bool)
    )
    null = 1 << (SPEC.voltage.fraction - 2)
    assert refused.tolist() == [True, False]
    assert out.tolist() == [[null, null], [null, null + 1]]
