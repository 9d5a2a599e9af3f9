"""The integer models against floating point, with tolerances that follow from their formats."""

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.digitiser import (
    accumulators,
    chain,
    cordic,
    correlator,
    entry,
    matched,
    normalisation,
    phase_lock,
    timing,
)
from shotveil.models.digitiser.channel import SimulatedChannel, convert, detect, waveform
from shotveil.models.digitiser.spec import (
    PREAMBLE,
    DigitiserSettings,
    DigitiserSpec,
    fractional_delay,
)
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import FrameLayout

SPEC = DigitiserSpec()
ONE = DigitiserSpec(quadratures=1)


def test_entry_formats():
    words = np.array([[0, 1, 8191, 8192, 8193, 16383]])
    sample, over = entry.model(ONE, words)
    assert sample.tolist() == [[0, 1, 8191, -8192, -8191, -1]]
    assert over.tolist() == [False, False, True, True, False, False]
    sample, over = entry.model(ONE, words, offset_binary=1)
    assert sample.tolist() == [[-8192, -8191, -1, 0, 1, 8191]]
    assert over.tolist() == [True, False, False, False, False, True]
    with pytest.raises(RangeError, match=r"codes = 16384 is outside \[0, 16384\)"):
        entry.model(ONE, np.array([[16384]]))


@pytest.mark.parametrize("spec", [SPEC, ONE])
def test_correlation_is_the_textbook_one(spec):
    rng = np.random.default_rng(3)
    samples = rng.integers(-8192, 8192, (spec.quadratures, 400))
    b = correlator.boxcar(spec, samples)
    plain = np.array([np.convolve(line, np.ones(4))[:400] / 16 for line in samples])
    # Half a unit, or one where the largest sum is cut to the format.
    assert np.abs(b - plain).max() <= 1
    found = correlator.model(spec, samples, 1)
    code = spec.code[0] + 1j * spec.code[1]
    y = b[0] + 1j * b[1] if spec.quadratures == 2 else b[0].astype(complex)
    for n in (63, 200, 399):
        window = y[n - 60 : n + 1 : 4]
        if spec.quadratures == 2:
            power, bound = abs(np.vdot(code, window)) ** 2, 32 * np.sum(abs(window) ** 2)
        else:
            same, other = correlator.diagonals(spec)
            signed = code.real * window.real
            power = signed[same].sum() ** 2 + 3 * signed[other].sum() ** 2
            bound = 12 * np.sum(window.real**2)
        assert found.power[n] == pytest.approx(power)
        assert found.hit[n] == (power > bound / 2)
        assert power <= bound


@pytest.mark.parametrize("spec", [SPEC, ONE])
def test_false_rate_of_the_threshold(spec):
    """Powers in vacuum are exponentially distributed; at 10⁻³ the count is Poisson's."""
    rng = np.random.default_rng(4)
    n = 1_000_000
    samples = np.rint(rng.normal(0, 256, (spec.quadratures, n))).astype(np.int64)
    found = correlator.model(spec, samples, 1)
    above = np.count_nonzero(found.power >= correlator.threshold(spec, 256, 1e-3))
    # Neighbouring samples share their boxcars: about 4 of them count as one.
    assert abs(above - 1e-3 * n) < 4 * np.sqrt(4 * 1e-3 * n)


@pytest.mark.parametrize("spec", [SPEC, ONE])
@pytest.mark.parametrize("delay", [0.0, 0.24, 0.5, 0.77])
def test_fraction_of_a_clean_preamble(spec, delay):
    code = np.zeros(40, complex)
    code[:PREAMBLE] = (spec.code[0] + 1j * spec.code[1]) * 6
    code[PREAMBLE] = 6 + 6j
    channel = SimulatedChannel(noise=False)
    light = waveform(spec, code, 100 + delay)
    samples, _ = entry.model(
        spec, convert(spec, detect(spec, channel, light, np.random.default_rng(1)))
    )
    (peak,) = timing.peaks(correlator.model(spec, samples, 1 << 22))
    start = peak.position + timing.fraction(spec, peak) / 64 + timing.START
    # Half a step of the fractions, and the boxcar's rounding.
    assert start == pytest.approx(100 + delay + 4 * PREAMBLE, abs=1 / 64)


def test_matched_filter_has_no_bias_and_unit_gain():
    rng = np.random.default_rng(5)
    windows = rng.integers(-8192, 8192, (100_000, 32))
    taps = SPEC.coefficients()[32]
    exact = windows @ taps / 2.0**SPEC.coefficient.fraction
    error = matched.model(SPEC, windows, taps) - exact * 2**SPEC.filtered.fraction
    assert np.abs(error).max() <= 0.5
    assert abs(error.mean()) < 0.01
    designed = pulse.design(4, 32, 0.5)
    # Each tap is off by half a unit at most.
    assert np.abs(taps / 2**17 - designed).max() <= 2**-18
    np.testing.assert_allclose(fractional_delay(designed, 0.0), designed, atol=1e-12)


def test_offset_is_the_mean_of_the_vacuum():
    rng = np.random.default_rng(6)
    value = np.rint(rng.normal(1234.5, 16000, (2, 4096))).astype(np.int64)
    state = normalisation.NormalisationState.reset(SPEC)
    settings = DigitiserSettings(offset_shift=15)
    yes = np.ones(4096, bool)
    normalisation.model(SPEC, settings, state, value, yes, yes)
    found = np.array(state.offset) / 2**SPEC.offset_guard
    # A running mean whose weights differ by up to 2: no worse than half the symbols.
    assert np.abs(found - 1234.5).max() < 4 * 16000 / np.sqrt(2048)
    # With the offset known, nothing on the path adds one.
    state = normalisation.NormalisationState([int(1234.5 * 2**16)] * 2, 2**15 - 1)
    still = np.zeros(4096, bool)
    out, _ = normalisation.model(SPEC, settings, state, value, still, yes)
    ideal = (value - 1234.5) / 64 * settings.scale[0] / 2**22
    error = out - ideal * 2**11
    assert np.abs(error).max() <= 0.5 + 0.5 * settings.scale[0] / 2**14 + 1e-9
    assert abs(error.mean()) < 0.01 + 3 * error.std() / np.sqrt(error.size)


def test_rotation_and_angle():
    rng = np.random.default_rng(7)
    x, y = rng.integers(-60000, 60000, (2, 50_000))
    angle = rng.integers(-32768, 32768, 50_000)
    u, v, limited = cordic.rotate(SPEC, x, y, angle)
    turned = (x + 1j * y) * np.exp(2j * np.pi * angle / 65536)
    good = ~limited
    # Last iteration's angle 2^−15 of a vector of 85,000, roundings of 16 iterations in guard bits,
    # one bit dropped in front of the product.
    assert np.abs((u + 1j * v - turned)[good]).max() < 85_000 * 2**-15 + 16 / 16 + 2
    # The mean error of each quadrature stays below a hundredth of an LSB.
    assert abs((u - turned.real)[good].mean()) < 0.01 + 3 / np.sqrt(50_000)
    beyond = np.maximum(abs(turned.real), abs(turned.imag)) > SPEC.symbol.highest + 5
    assert limited.any()
    assert np.all(limited[beyond])
    big = np.hypot(x, y) > 3000
    found = cordic.arctangent(SPEC, x[big], y[big])
    difference = (found - np.arctan2(y, x)[big] * 65536 / (2 * np.pi) + 32768) % 65536 - 32768
    assert np.abs(difference).max() < 3
    assert cordic.arctangent(SPEC, np.array([-5000]), np.array([0]))[0] in (-32768, 32767)


def test_loop_settles_from_any_phase():
    loop = phase_lock.PhaseLockSettings(ki=20000, kp=0)
    for start in range(-32768, 32768, 4096):
        state = phase_lock.PhaseLockState()
        phase, locked = start, False
        for _ in range(50):
            moved = phase_lock.step(ONE, loop, state, phase, False)
            assert moved is not None
            code, locked = moved
            phase = (start - code * 65536 // loop.span + 32768) % 65536 - 32768
        assert locked
        assert abs(phase) <= 2 * 65536 / loop.span


def test_gears_average_until_the_register_is_reached():
    """The first frame sets the phase, later ones count as in a mean; a bad frame begins again."""
    loop, state = phase_lock.PhaseLockSettings(ki=1 << 8, kp=1 << 15), phase_lock.PhaseLockState()

    def moved(angle):
        before = state.integral
        assert phase_lock.step(ONE, loop, state, angle, False) is not None
        return (state.integral - before) / 65536

    for part in [1, 1 / 2, *[1 / 4] * 2, *[1 / 8] * 4]:
        assert moved(4096) == pytest.approx(4096 * part, rel=3e-3)
    for _ in range(300):
        moved(0)
    # The register's gain in the end, and the proportional part with it.
    code, _ = phase_lock.step(ONE, loop, state, 4096, False)
    phase = state.integral + loop.kp * 4096
    assert code == (((phase & 0xFFFFFFFF) >> 16) * loop.span) >> 16
    assert moved(4096) == 16
    assert phase_lock.step(ONE, loop, state, 0, True) is None
    assert moved(4096) == pytest.approx(4096, rel=3e-3)


def test_bad_frames_do_not_move_the_loop():
    state = phase_lock.PhaseLockState(integral=5, steady=8)
    assert phase_lock.step(ONE, phase_lock.PhaseLockSettings(), state, 30000, True) is None
    assert (state.integral, state.steady) == (5, 0)


def test_sums_hold_a_billion_symbols():
    largest = (1 << (SPEC.symbol.width - 1)) ** 2
    assert 10**9 * largest < 2**63
    assert 10**9 * (1 << (SPEC.reference.width - 1)) ** 2 < 2**63
    assert 10**9 * (1 << (SPEC.symbol.width - 1)) * (1 << (SPEC.reference.width - 1)) < 2**63


def test_sums_are_the_sums():
    rng = np.random.default_rng(8)
    settings = DigitiserSettings(layout=FrameLayout(preamble=16, row=112, pilot_spacing=16))
    steps = chain.plan(settings)
    n = 3 * len(steps.kind)
    value = rng.integers(-60000, 60000, (2, n))
    q = rng.integers(-30000, 30000, (2, n))
    kind, index, segment = (np.tile(v, 3) for v in (steps.kind, steps.index, steps.segment))
    last = np.tile(np.arange(len(steps.kind)) == len(steps.kind) - 1, 3)
    bad = rng.random(n) < 0.1
    sums = accumulators.model(SPEC, settings, value, q, kind, index, segment, bad, last)
    where = (kind == 1) & (segment == 2) & ~bad
    named = dict(zip(accumulators.NAMES, sums.session[2], strict=True))
    assert named["qxp"] == np.sum(q[0, where] * value[1, where])
    assert named["count"] == where.sum()
    assert named["bad"] == np.sum((kind == 1) & (segment == 2) & bad)
    assert sums.modes[5, 0] == np.sum((value[:, (index == 5) & ~bad & (kind == 1)]) ** 2)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"quadratures": 3}, "quadratures = 3"),
        ({"taps": 30}, "taps = 30"),
        ({"adc_bits": 16}, "adc_bits = 16"),
        ({"delay": 100}, "delay = 100"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused(change, message):
    with pytest.raises(RangeError, match=message):
        DigitiserSpec(**change)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"layout": FrameLayout(preamble=32)}, "preamble = 32"),
        ({"layout": FrameLayout(row=600)}, "row = 600"),
        ({"layout": FrameLayout(row=32, pilot_spacing=16)}, "samples in a frame"),
        ({"layout": FrameLayout(pilots=4, pilot_spacing=28)}, "pilot_spacing = 28"),
        ({"scale": (0, 1)}, "scale = 0"),
        ({"mode": 392}, "mode = 392"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message):
    with pytest.raises(RangeError, match=message):
        DigitiserSettings(**change).validate(SPEC)


def test_homodyne_needs_pairs_of_pilots():
    layout = FrameLayout(row=400, pilot_spacing=40)
    DigitiserSettings(layout=layout).validate(SPEC)
    with pytest.raises(RangeError, match="pilots in a frame = 11 is odd"):
        DigitiserSettings(layout=layout).validate(ONE)


def test_phase_that_is_given_is_found():
    x = to_float(cordic.arctangent(SPEC, 10000, 10000), SPEC.symbol)
    assert x * 2**11 == 65536 / 8
