"""Estimates from the digitiser's sums against channels that are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri, stdtrit

from shotveil.host.leakage.certificate import estimated_channel
from shotveil.host.verification import estimation
from shotveil.host.verification.verdict import verify
from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.accumulators import MODE_SUMS, NAMES
from shotveil.models.digitiser.chain import moving_runs
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.link.statistics import SymbolStatistics
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.figures.digitiser_report import calibrate, session

SPEC, ONE = DigitiserSpec(), DigitiserSpec(quadratures=1)
SETTINGS = DigitiserSettings(layout=FrameLayout(preamble=16))
UNIT = np.sqrt(12) / 8192
SHOT = 2048.0**2  # variance of one SNU in raw units


def sums_of(spec, frames, rng, t2=0.4, noise=1.05, diffusion=0.0, angles=True):
    """Frame sums of symbols drawn directly, y = t·e^{iφ}·q + n: no receiver in between."""
    return drawn(spec, frames, rng, t2, noise, diffusion, angles)[:2]


def drawn(spec, frames, rng, t2=0.4, noise=1.05, diffusion=0.0, angles=True, jitter=None):
    """The same, and the rows sent (frames, 2, modes). With `jitter` (rad) the receiver turns each
    run of a channel without phase by a random angle of that size."""
    runs, length, gap = 7, 56, 57
    q = np.rint(rng.normal(0, 8192, (2, frames, runs, length)))
    steps = rng.normal(0, np.sqrt(diffusion), (frames, runs * gap))
    walk = np.cumsum(steps, axis=1).reshape(frames, runs, gap)[..., 1:]
    theta = rng.integers(-32768, 32768, (frames, runs)) if angles else np.zeros((frames, runs))
    if jitter is not None:
        theta = np.rint(rng.normal(0, jitter / (2 * np.pi) * 65536, (frames, runs)))
    phi = walk - 2 * np.pi * theta[..., None] / 65536
    if angles and jitter is None:
        phi += rng.uniform(0, 6, (frames, 1, 1))
    y = np.sqrt(t2) * (q[0] + 1j * q[1]) * UNIT * np.exp(1j * (phi + 2 * np.pi * 0))
    y = y + rng.normal(0, np.sqrt(noise), y.shape) + 1j * rng.normal(0, np.sqrt(noise), y.shape)
    x, p = y.real * np.sqrt(SHOT), y.imag * np.sqrt(SHOT) * (spec.quadratures == 2)
    a, b = q
    terms = [x, p, a, b, x * x, p * p, x * p, np.ones_like(x)]
    terms += [a * x, a * p, b * x, b * p, a * a, b * b, a * b, np.zeros_like(x)]
    out = np.zeros((frames, spec.words, 16))
    out[:, :runs] = np.stack([term.sum(axis=-1) for term in terms], axis=-1)
    table = np.zeros((frames, spec.segments))
    table[:, :runs] = theta
    return out, table, q.swapaxes(0, 1).reshape(frames, 2, -1).astype(np.int64)


def calibration(spec, electronic=0.03, count=10**9):
    return estimation.Calibration(
        (1 + electronic) * SHOT, electronic * SHOT, count, count,
        SETTINGS.scale[: spec.quadratures], spec.quadratures,
    )  # fmt: skip


@pytest.mark.parametrize("diffusion", [0.0, 6e-5])
@pytest.mark.parametrize("spec", [SPEC, ONE])
def test_unbiased_and_limits_cover(spec, diffusion):
    """300 sessions without a receiver: bias inside its 99 % interval, limits at their level."""
    rng = np.random.default_rng(11)
    known = calibration(spec)
    eta, v = known.receiver.efficiency, known.receiver.electronic_noise
    truth = {"transmittance": 0.6, "excess_noise": 0.03, "phase_diffusion": diffusion}
    found = {name: [] for name in truth}
    for _ in range(300):
        sums, angles = sums_of(
            spec, 40, rng, 0.6 * eta, 1 + v + eta * 0.03, diffusion, spec.quadratures == 2
        )
        result = estimation.estimate(
            spec, SETTINGS, sums, angles if spec.quadratures == 2 else None, known, UNIT, 0.9
        )
        for name, values in found.items():
            values.append(getattr(result, name))
    for name, values in found.items():
        error = np.array([quantity.value for quantity in values]) - truth[name]
        assert abs(error.mean()) < 2.81 * error.std() / np.sqrt(len(error)), name
        inside = np.mean([q.low <= truth[name] <= q.high for q in values])
        # Binomial: 0.9 ± 0.017, three deviations.
        assert 0.845 < inside < 0.955, name


def test_calibration_from_records_that_took_the_receivers_path():
    from shotveil.models.digitiser.channel import SimulatedChannel

    rng = np.random.default_rng(12)
    channel = SimulatedChannel(electronic_noise=0.0316, adc_offset=-40.0, shot_noise=256.0)
    known, offset = calibrate(SPEC, SETTINGS, channel, 60, rng)
    error = known.vacuum_error
    assert known.receiver.electronic_noise == pytest.approx(0.0316, rel=0.05)
    assert known.shot_variance == pytest.approx(2048**2, rel=4 * error)
    assert known.receiver.efficiency == 0.5
    # The offset is the ADC's through the filter's gain at zero frequency.
    gain = SPEC.coefficients()[32].sum() / 2**17
    np.testing.assert_allclose(np.array(offset) / 2**22, -40 * gain, atol=4 * 256 / np.sqrt(12000))


def test_sessions_through_the_receiver():
    """Whole sessions, light to estimate; the full run is a command of its own."""
    done = [session(SPEC, 24, 1e-5, 50 + k, calibration=60) for k in range(6)]
    for name in ("transmittance", "excess_noise"):
        errors = [
            (getattr(s.estimate, name).value - getattr(s.channel, name))
            / getattr(s.estimate, name).error
            for s in done
        ]
        assert abs(np.mean(errors)) < 3.3 / np.sqrt(len(errors)), name
        assert np.max(np.abs(errors)) < 4, name
    assert all(s.estimate.calibration.quadratures == 2 for s in done)


def test_the_verifier_takes_the_same_sums():
    """Without phase noise the verifier's four sums say the same as the runs."""
    rng = np.random.default_rng(13)
    known = calibration(SPEC)
    eta, v = known.receiver.efficiency, known.receiver.electronic_noise
    sums, _, rows = drawn(SPEC, 200, rng, 0.9 * eta, 1 + v + eta * 0.01, angles=False)
    session = np.rint(sums.sum(axis=0)).astype(object)
    symbols = estimation.statistics(SPEC, session, known, UNIT, rows)
    plain = estimated_channel(symbols, known.receiver)
    runs = estimation.estimate(SPEC, SETTINGS, sums, np.zeros((200, 16)), known, UNIT)
    assert runs.transmittance.value == pytest.approx(plain.transmittance, abs=0.004)
    assert runs.excess_noise.value == pytest.approx(plain.excess_noise, abs=0.01)
    verdict = verify(
        symbols,
        declared=plain.nearest_physical(),
        modulation_variance=12.0,
        receiver=known.receiver,
    )
    assert verdict.accepted


def test_bad_input_is_refused():
    rng = np.random.default_rng(14)
    sums, angles = sums_of(SPEC, 20, rng)
    known = calibration(SPEC)
    with pytest.raises(RangeError, match="confidence = 1"):
        estimation.estimate(SPEC, SETTINGS, sums, angles, known, UNIT, 1.0)
    with pytest.raises(RangeError, match="is not that of the calibration"):
        estimation.estimate(SPEC, replace(SETTINGS, scale=(5, 5)), sums, angles, known, UNIT)
    with pytest.raises(RangeError, match="angles is None"):
        estimation.estimate(SPEC, SETTINGS, sums, None, known, UNIT)
    with pytest.raises(RangeError, match="frames with good symbols = 4"):
        estimation.estimate(SPEC, SETTINGS, sums[:4], angles[:4], known, UNIT)
    vacuum = np.zeros((SPEC.words, 16))
    vacuum[:, NAMES.index("count")] = 10
    with pytest.raises(RangeError, match="local oscillator"):
        estimation.Calibration.from_sums(SPEC, SETTINGS, vacuum, vacuum)


# What is known of the receiver


@pytest.mark.parametrize("spec", [SPEC, ONE])
def test_a_calibration_is_the_variances_of_its_records(spec):
    rng = np.random.default_rng(15)
    vacuum, dark = rng.integers(-900, 900, (2, 25)), rng.integers(-90, 90, (2, 10))
    sums = np.zeros((2, spec.words, 16), object)
    for record, symbols, word in ((0, vacuum, spec.vacuum_word), (1, dark, spec.dark_word)):
        line = sums[record, word]
        line[NAMES.index("count")] = symbols.shape[1]
        for axis, values in zip("xp", symbols, strict=True):
            line[NAMES.index(axis)] = int(values.sum())
            line[NAMES.index(axis * 2)] = int((values**2).sum())
    n = spec.quadratures
    found = estimation.Calibration.from_sums(spec, SETTINGS, sums[0], sums[1], 0.8)
    assert found.vacuum_variance == pytest.approx(vacuum[:n].var(axis=1, ddof=1).mean())
    assert found.dark_variance == pytest.approx(dark[:n].var(axis=1, ddof=1).mean())
    assert (found.vacuum_count, found.dark_count) == (25 * n, 10 * n)
    assert (found.quadratures, found.efficiency) == (n, 0.8)
    assert found.scale == SETTINGS.scale[:n]
    for name, record, word in (("vacuum", 0, spec.vacuum_word), ("dark", 1, spec.dark_word)):
        few = sums.copy()
        few[record, word, NAMES.index("count")] = 1
        with pytest.raises(RangeError, match=f"count of {name} symbols = 1"):
            estimation.Calibration.from_sums(spec, SETTINGS, few[0], few[1])
    for efficiency in (0, 1.1):
        with pytest.raises(RangeError, match="efficiency"):
            estimation.Calibration.from_sums(spec, SETTINGS, sums[0], sums[1], efficiency)


def test_what_a_calibration_says_of_the_receiver():
    known = estimation.Calibration(125.0, 25.0, 800, 200, (1, 1), 2, 0.8)
    assert known.shot_variance == 100
    assert known.receiver.efficiency == 0.4 and known.receiver.electronic_noise == 0.25
    assert known.vacuum_error == pytest.approx(1.25 * np.sqrt(2 / 800))
    assert known.shot_error == pytest.approx(np.hypot(known.vacuum_error, 0.25 * np.sqrt(2 / 200)))


# Estimates


@pytest.mark.parametrize("spec", [SPEC, ONE])
def test_limits_and_errors_hold_symbols_and_calibration(spec):
    sums, angles = sums_of(spec, 30, np.random.default_rng(16), angles=spec is SPEC)
    angles = angles if spec is SPEC else None
    sure, unsure = (
        estimation.estimate(spec, SETTINGS, sums, angles, calibration(spec, count=n), UNIT, 0.9)
        for n in (10**15, 50)
    )
    # In the first run of a homodyne receiver the phase shifter still moves.
    runs = 7 if spec is SPEC else 6
    assert (sure.frames, sure.symbols, sure.confidence) == (30, 30 * runs * 56, 0.9)
    assert sure.calibration == calibration(spec, count=10**15)
    for name in ("transmittance", "excess_noise", "snr", "phase_diffusion"):
        q = getattr(sure, name)
        assert q.high - q.value == pytest.approx(q.value - q.low)
        assert q.high - q.value == pytest.approx(stdtrit(29, 0.95) * q.error, rel=1e-6)
    known = unsure.calibration
    eta, v = known.receiver.efficiency, known.receiver.electronic_noise
    beyond = unsure.excess_noise.value * eta  # noise that is not the vacuum's
    added = {
        "transmittance": sure.transmittance.value * known.shot_error,
        "excess_noise": np.hypot(known.vacuum_error, known.shot_error * beyond) / eta,
        "snr": 0.0,
        "phase_diffusion": 0.0,
    }
    for name, error in added.items():
        plain, more = getattr(sure, name), getattr(unsure, name)
        assert more.value == plain.value
        assert more.error**2 - plain.error**2 == pytest.approx(error**2, abs=1e-12)
        room = np.hypot(stdtrit(29, 0.95) * plain.error, ndtri(0.95) * error)
        assert more.high - more.value == pytest.approx(room, rel=1e-6)
    assert eta * sure.transmittance.value == pytest.approx(0.4, abs=0.05)
    assert 1 + v + beyond == pytest.approx(1.05, abs=0.05)


@pytest.mark.parametrize("spec", [SPEC, ONE])
@pytest.mark.parametrize("spacing, lag", [(56, 3), (98, 2), (28, 7)])
def test_gains_that_turn_evenly_are_seen_exactly(spec, spacing, lag):
    """Runs of gain t·e^{iθs}, and a residual that is known: every sum of the estimate by hand."""
    t2, theta, left = 0.36, 0.08, 40.0
    settings = replace(SETTINGS, layout=FrameLayout(preamble=16, pilot_spacing=spacing))
    runs, n = 392 // spacing, spacing
    rng = np.random.default_rng(22)
    a, b = rng.normal(0, 8192, (2, 8, runs, n))
    y = np.sqrt(t2) * UNIT * (a + 1j * b) * np.exp(1j * theta * np.arange(runs))[:, None]
    x, p = y.real * np.sqrt(SHOT), y.imag * np.sqrt(SHOT) * (spec is SPEC)
    terms = [x, p, a, b, x * x, p * p, x * p, np.ones_like(x)]
    terms += [a * x, a * p, b * x, b * p, a * a, b * b, a * b, np.zeros_like(x)]
    sums = np.zeros((8, spec.words, 16))
    sums[:, :runs] = np.stack([term.sum(axis=-1) for term in terms], axis=-1)
    sums[:, :runs, NAMES.index("xx")] += left * SHOT
    known = calibration(spec)
    found = estimation.estimate(spec, settings, sums, np.zeros((8, spec.segments)), known, UNIT)
    # In the first runs of a homodyne receiver the phase shifter moves.
    used = slice(moving_runs(spec, settings), runs)
    count = runs - used.start
    lag = lag if spec is SPEC else max(2, count // 2)
    growth = (np.cos(theta) / np.cos(lag * theta)) ** (1 / (lag - 1))
    eta, v = known.receiver.efficiency, known.receiver.electronic_noise
    seen = t2 * np.cos(theta) * growth
    diffusion = 2 * np.log(growth) / (spacing + 1)
    power = (a**2 + b**2)[:, used] * UNIT**2
    part = power.sum() if spec is SPEC else (b[:, used] ** 2).sum() * UNIT**2
    wandered = seen * diffusion * part / n * (n**2 - 1) / 6
    freedom = 8 * count * (2 * n - 2 if spec is SPEC else n - 2)
    noise = (8 * count * left - wandered) / freedom
    assert found.transmittance.value == pytest.approx(seen / eta, rel=1e-9)
    assert found.phase_diffusion.value == pytest.approx(diffusion, rel=1e-7)
    assert found.excess_noise.value == pytest.approx((noise - 1 - v) / eta, rel=1e-6)
    variance = power.sum() / 2 / (8 * count * n)
    assert found.snr.value == pytest.approx(seen * variance / noise, rel=1e-6)
    assert found.symbols == 8 * count * n


def test_the_error_is_the_jackknife_over_frames():
    sums, angles = sums_of(SPEC, 9, np.random.default_rng(21))
    known = calibration(SPEC, count=10**15)
    whole = estimation.estimate(SPEC, SETTINGS, sums, angles, known, UNIT)
    left_out = [
        estimation.estimate(
            SPEC, SETTINGS, np.delete(sums, k, 0), np.delete(angles, k, 0), known, UNIT
        )
        for k in range(9)
    ]
    for name in ("transmittance", "excess_noise", "snr", "phase_diffusion"):
        values = np.array([getattr(one, name).value for one in left_out])
        due = np.sqrt(8 / 9 * np.sum((values - values.mean()) ** 2))
        assert getattr(whole, name).error == pytest.approx(due, rel=1e-6), name


def test_signal_to_noise_and_what_the_tracking_left():
    """Runs that the receiver turned by 0.2 rad too far or too little: nothing is lost, but it tells
    what the verifier would take for loss and noise."""
    jitter = 0.2
    sums, angles, rows = drawn(SPEC, 300, np.random.default_rng(17), jitter=jitter)
    known = calibration(SPEC)
    found = estimation.estimate(SPEC, SETTINGS, sums, angles, known, UNIT)
    t2 = found.transmittance.value * known.receiver.efficiency
    assert t2 == pytest.approx(0.4, abs=0.01)
    power = np.mean((rows * UNIT) ** 2)
    assert found.snr.value == pytest.approx(0.4 * power / 1.05, rel=0.02)
    assert found.residual_phase == pytest.approx(jitter, rel=0.05)
    scattered = t2 * power * (1 - np.exp(-(found.residual_phase**2)))
    assert found.phase_excess == pytest.approx(scattered / known.receiver.efficiency, rel=1e-6)
    assert found.linewidth == found.phase_diffusion.value / (2 * np.pi)


def test_frames_with_a_run_that_cannot_be_read_are_left_out():
    sums, angles = sums_of(SPEC, 20, np.random.default_rng(18))
    spoiled = sums.copy()
    spoiled[4, 2] = 0  # no symbol of the third run
    spoiled[9, 5, NAMES.index("count")] = 2  # too few to tell noise from the gain
    known, keep = calibration(SPEC), np.delete(np.arange(20), [4, 9])
    found = estimation.estimate(SPEC, SETTINGS, spoiled, angles, known, UNIT)
    due = estimation.estimate(SPEC, SETTINGS, sums[keep], angles[keep], known, UNIT)
    assert found == due and found.frames == 18


def test_what_cannot_be_estimated_is_refused():
    sums, angles = sums_of(SPEC, 20, np.random.default_rng(19))
    known = calibration(SPEC)
    for unit in (0.0, -1.0):
        with pytest.raises(RangeError, match="q_unit"):
            estimation.estimate(SPEC, SETTINGS, sums, angles, known, unit)
    with pytest.raises(RangeError, match="confidence = 0"):
        estimation.estimate(SPEC, SETTINGS, sums, angles, known, UNIT, 0.0)
    with pytest.raises(RangeError, match=r"frames have shape \(20, 20, 15\)"):
        estimation.estimate(SPEC, SETTINGS, sums[:, :, :15], angles, known, UNIT)
    two = replace(SETTINGS, layout=FrameLayout(preamble=16, pilot_spacing=196))
    with pytest.raises(RangeError, match="runs of row symbols in a frame = 2"):
        estimation.estimate(SPEC, two, sums, angles, known, UNIT)
    weak, angles = sums_of(SPEC, 8, np.random.default_rng(20), t2=0.0)
    with pytest.raises(RangeError, match="too weak"):
        estimation.estimate(SPEC, SETTINGS, weak, angles, known, UNIT)
    eight, angles = sums_of(SPEC, 8, np.random.default_rng(20))
    assert estimation.estimate(SPEC, SETTINGS, eight, angles, known, UNIT).frames == 8
    with pytest.raises(RangeError, match="frames with good symbols = 7"):
        estimation.estimate(SPEC, SETTINGS, eight[:7], angles[:7], known, UNIT)


def test_runs_are_turned_by_the_pilot_before_them():
    layout = FrameLayout(preamble=16, row=120, pilots=2, pilot_spacing=40)
    settings = replace(SETTINGS, layout=layout)
    phases = np.arange(3 * 8)  # 3 frames of 4 groups of 2
    turned = estimation.segment_angles(SPEC, settings, phases, 3)
    assert turned.shape == (3, SPEC.segments)
    assert turned[:, :3].tolist() == [[1, 3, 5], [9, 11, 13], [17, 19, 21]]
    assert not turned[:, 3:].any()
    with pytest.raises(RangeError, match="number of phases = 23"):
        estimation.segment_angles(SPEC, settings, phases[:-1], 3)


# Sums as the verifier takes them

ROWS = np.array([[[3, -5, 7], [2, 4, -6]], [[1, 8, -2], [9, -3, 5]]])  # 2 rows of 3 modes
BACK = 2 * (ROWS[:, 0] + 1j * ROWS[:, 1]) + np.array([[1, 1j, -1], [2j, 1 - 1j, 0]])
KNOWN = estimation.Calibration(5.0, 1.0, 10**6, 10**6, (1, 1), 2)  # √SNU is 2 raw units


def session_of(rows, back):
    """Session sums of symbols, spread over two runs."""
    sums = np.zeros((SPEC.words, 16), object)
    for k, (q, y) in enumerate(zip(rows.swapaxes(1, 2).reshape(-1, 2), back.ravel(), strict=True)):
        x, p, a, b = int(y.real), int(y.imag), int(q[0]), int(q[1])
        sums[k % 2] += np.array(
            [
                x,
                p,
                a,
                b,
                x * x,
                p * p,
                x * p,
                1,
                a * x,
                a * p,
                b * x,
                b * p,
                a * a,
                b * b,
                a * b,
                0,
            ],
            object,
        )
    # Vacuum and dark words are no symbols of the row.
    sums[SPEC.vacuum_word] = sums[SPEC.dark_word] = 10**6
    return sums


def test_sums_of_all_symbols_are_their_own():
    found = estimation.statistics(SPEC, session_of(ROWS, BACK), KNOWN, 0.5, ROWS)
    sent, got = ROWS / 2, np.stack([BACK.real, BACK.imag], axis=1) / 2
    due = SymbolStatistics.of(sent, got)
    assert (found.count, found.qq, found.qy, found.yy) == (due.count, due.qq, due.qy, due.yy)
    # Sent again and again, e.g. for one image after the other.
    twice = estimation.statistics(SPEC, 2 * session_of(ROWS, BACK), KNOWN, 0.5, ROWS, times=2)
    assert (twice.count, twice.qq, twice.yy) == (2 * due.count, 2 * due.qq, 2 * due.yy)


def test_light_that_was_lost_counts_as_vacuum():
    seen = ROWS.copy(), BACK.copy()
    lost = session_of(seen[0][:1], seen[1][:1])  # of the second row nothing came back
    found = estimation.statistics(SPEC, lost, KNOWN, 0.5, ROWS)
    whole = estimation.statistics(SPEC, session_of(ROWS, BACK), KNOWN, 0.5, ROWS)
    first = estimation.statistics(SPEC, lost, KNOWN, 0.5, ROWS[:1])
    assert (found.count, found.qq) == (whole.count, whole.qq)
    assert found.qy == first.qy
    assert found.yy == pytest.approx(first.yy + 6 * 5.0 / 4)  # 6 quadratures of 5 raw units²
    nothing = estimation.statistics(SPEC, np.zeros((SPEC.words, 16)), KNOWN, 0.5, ROWS)
    assert (nothing.count, nothing.qy) == (12, 0) and nothing.yy == pytest.approx(12 * 5.0 / 4)


def test_sums_that_are_not_of_these_rows_are_refused():
    sums = session_of(ROWS, BACK)
    with pytest.raises(RangeError, match=r"quadratures that the receiver summed = 12 is outside"):
        estimation.statistics(SPEC, sums, KNOWN, 0.5, ROWS[:1])
    with pytest.raises(RangeError, match=r"Σq² = 323 .*; allowed: 332, that of those sent"):
        estimation.statistics(SPEC, sums, KNOWN, 0.5, np.where(ROWS == 4, 5, ROWS))


@pytest.mark.parametrize("shift", [0, 1])
def test_sums_of_modes(shift):
    """Without loss each mode's own, or the mean of those that share their sums."""
    y, q = BACK, ROWS[:, 0] + 1j * ROWS[:, 1]
    own = {
        "yy": np.sum(np.abs(y) ** 2, axis=0),
        "re": np.sum((q.conj() * y).real, axis=0),
        "im": np.sum((q.conj() * y).imag, axis=0),
        "qq": np.sum(np.abs(q) ** 2, axis=0),
    }
    groups = [[0], [1], [2]] if shift == 0 else [[0, 1], [2]]
    modes = np.zeros((SPEC.modes, 4))
    due = {name: np.zeros(3) for name in own}
    for k, members in enumerate(groups):
        for column, name in enumerate(MODE_SUMS):
            modes[k, column] = own[name][members].sum()
            due[name][members] = own[name][members].mean()
    take = estimation.mode_statistics
    found = take(SPEC, session_of(ROWS, BACK), modes, KNOWN, 0.5, ROWS, shift)
    assert found.count.tolist() == [4, 4, 4]
    np.testing.assert_allclose(found.qq, due["qq"] / 4)
    np.testing.assert_allclose(found.qy, due["re"] / 4)
    np.testing.assert_allclose(found.yy, due["yy"] / 4)
    # What was lost is spread over all modes.
    lost = take(SPEC, session_of(ROWS[:1], BACK[:1]), modes, KNOWN, 0.5, ROWS, shift)
    np.testing.assert_allclose(lost.yy, due["yy"] / 4 + 6 * 5.0 / 4 / 3)
    with pytest.raises(RangeError, match="summed = 12 is outside"):
        take(SPEC, session_of(ROWS, BACK), modes, KNOWN, 0.5, ROWS[:1], shift)
