"""Each integer model against the arithmetic it stands for, with tolerances that are derived."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.drive import angles, dac, framing, linearisation, scaling, shaping
from shotveil.models.drive.spec import Arm, DriveSettings, DriveSpec, registers
from shotveil.models.signal.frame import FrameLayout, Slot

SPEC = DriveSpec()
OTHER = DriveSpec(samples_per_symbol=3, taps=21, dac_bits=12, arcsine_segments=128)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def uniform(rng, q, n, fraction=1.0):
    limit = int(q.highest * fraction)
    return rng.integers(-limit, limit + 1, (2, n))


def test_framing_puts_rows_into_their_slots(rng):
    layout = FrameLayout(row=20, pilot_spacing=7)
    rows = rng.integers(-(2**15), 2**15, (3, 2, 20))
    frames = framing.model(SPEC, layout, rows)
    slots = layout.slots()
    assert frames.shape == (3, 2, layout.length)
    np.testing.assert_array_equal(frames[..., slots == Slot.ROW], rows)
    assert not frames[..., slots >= Slot.VACUUM].any()
    # References are ±½ exactly.
    np.testing.assert_array_equal(
        to_float(frames[1], SPEC.symbol)[:, framing.is_reference(layout)],
        layout.references()[:, framing.is_reference(layout)] / 2,
    )


def test_framing_refuses_rows_that_do_not_fit():
    with pytest.raises(RangeError, match=r"shape \(1, 2, 5\); allowed: \(…, 2, 392\)"):
        framing.model(SPEC, FrameLayout(), np.zeros((1, 2, 5), dtype=int))
    with pytest.raises(RangeError, match=r"beyond Q1\.15"):
        framing.model(SPEC, FrameLayout(row=1), np.full((1, 2, 1), 40_000))


def test_scaling(rng):
    raw = registers(SPEC, DriveSettings(scale=0.7312, reference=0.48))
    symbols = uniform(rng, SPEC.symbol, 100_000)
    reference = rng.integers(0, 2, 100_000).astype(bool)
    out, fault = scaling.model(SPEC, raw, symbols, reference)
    factor = np.where(reference, raw.reference, raw.scale) * SPEC.scale.lsb
    error = to_float(out, SPEC.scaled) - to_float(symbols, SPEC.symbol) * factor
    # One rounding to nearest: half a unit.
    assert np.abs(error).max() <= SPEC.scaled.lsb / 2
    assert abs(error.mean()) <= 0.01 * SPEC.scaled.lsb
    assert not fault.any()


def test_scaling_saturates_and_says_so():
    raw = registers(SPEC, DriveSettings(scale=1.5))
    symbols = np.array([[30_000, -30_000, 100], [0, 5, 6]])
    out, fault = scaling.model(SPEC, raw, symbols, np.zeros(3, dtype=bool))
    assert fault.tolist() == [True, True, False]
    assert out[0].tolist() == [SPEC.scaled.highest, SPEC.scaled.lowest, 600]


@pytest.mark.parametrize("spec", [SPEC, OTHER])
def test_shaping_is_interpolation_by_the_pulse(spec, rng):
    symbols = uniform(rng, spec.scaled, 5000)
    quiet = np.zeros(5000, dtype=bool)
    out, limited = shaping.model(spec, spec.pulse(), symbols, quiet)
    line = np.zeros((2, 5000 * spec.samples_per_symbol))
    line[:, :: spec.samples_per_symbol] = to_float(symbols, spec.scaled)
    taps = to_float(spec.pulse(), spec.coefficient)
    exact = np.stack([np.convolve(arm, taps)[: line.shape[1]] for arm in line])
    error = to_float(out, spec.sample) - exact
    # Products and sum are exact, so there is one rounding to nearest: half a unit.
    assert np.abs(error).max() <= spec.sample.lsb / 2 * (1 + 1e-9)
    assert abs(error.mean()) <= 0.01 * spec.sample.lsb
    assert not limited.any()


def test_shaping_of_the_worst_symbols_does_not_saturate():
    """The signs that line up with the taps of each phase reach the largest sample there is."""
    taps = SPEC.pulse().reshape(SPEC.span, -1)
    for phase in range(SPEC.samples_per_symbol):
        signs = np.where(taps[::-1, phase] >= 0, SPEC.scaled.highest, SPEC.scaled.lowest)
        for worst in (signs, -signs - 1):
            symbols = np.stack([worst, worst])
            out, limited = shaping.model(SPEC, SPEC.pulse(), symbols, np.zeros(SPEC.span, bool))
            assert not limited.any()
    assert np.abs(out).max() > 0.8 * SPEC.sample.highest


def test_shaping_marks_what_it_limits_and_what_was_wrong():
    symbols = np.full((2, 4), SPEC.scaled.highest)
    taps = np.full(SPEC.taps, SPEC.coefficient.highest)
    out, limited = shaping.model(SPEC, taps, symbols, np.zeros(4, dtype=bool))
    assert limited.all()
    assert np.all(out == SPEC.sample.highest)
    _, marked = shaping.model(SPEC, SPEC.pulse(), symbols, np.array([False, True, False, False]))
    assert np.nonzero(marked)[0].tolist() == [4, 5, 6, 7]


def test_hold_repeats_symbols_exactly(rng):
    symbols = uniform(rng, SPEC.scaled, 100)
    out, _ = shaping.model(SPEC, SPEC.hold(), symbols, np.zeros(100, dtype=bool))
    np.testing.assert_array_equal(out, np.repeat(symbols, SPEC.samples_per_symbol, axis=-1))


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


def test_dac_rounds_without_bias_and_saturates(rng):
    raw = registers(SPEC, DriveSettings(stop_on_saturation=False))
    full = 1 << SPEC.voltage.fraction
    voltages = rng.integers(-full, int(0.999 * full), (2, 300_000))
    quiet = np.zeros(300_000, dtype=bool)
    codes, saturated, tripped = dac.model(SPEC, raw, voltages, quiet)
    error = to_float(codes, SPEC.dac) - to_float(voltages, SPEC.voltage)
    assert np.abs(error).max() <= SPEC.dac.lsb / 2
    # Every residue of the voltage occurs equally often: the mean's own spread is 1e-3 LSB.
    assert abs(error.mean()) <= 0.004 * SPEC.dac.lsb
    assert not saturated.any()
    assert not tripped
    codes, saturated, _ = dac.model(SPEC, raw, np.array([[full, -2 * full], [0, 0]]), quiet[:2])
    assert codes[0].tolist() == [SPEC.dac.highest, SPEC.dac.lowest]
    assert saturated.all()


def test_dac_is_zero_from_a_fault_on():
    raw = registers(SPEC, DriveSettings())
    voltages = np.full((2, 2, 6), 1 << 14)
    fault = np.zeros((2, 6), dtype=bool)
    fault[0, 4] = True
    codes, _, tripped = dac.model(SPEC, raw, voltages, fault)
    assert tripped
    assert np.all(codes[0, :, :4] != 0)
    assert not codes[0, :, 4:].any()
    assert not codes[1].any()
    codes, saturated, _ = dac.model(SPEC, raw, voltages * 100, ~fault, tripped=True)
    assert not codes.any()
    assert not saturated.any()  # what cannot leave is not counted


def test_angles_replay_their_table():
    table = np.arange(10).reshape(2, 5)
    np.testing.assert_array_equal(angles.model(SPEC, table, 3), np.stack([table] * 3))
    with pytest.raises(RangeError, match=r"angles in the table = 5000 is outside \[1, 4096\]"):
        angles.model(SPEC, np.zeros((2, 5000)), 1)
    with pytest.raises(RangeError, match="shape"):
        angles.model(SPEC, np.zeros((3, 5)), 1)
    with pytest.raises(RangeError, match="beyond"):
        angles.model(SPEC, np.full((2, 5), 1 << 15), 1)
