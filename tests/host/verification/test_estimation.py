"""Estimates from the digitiser's sums against channels that are known."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.host.leakage.certificate import estimated_channel
from shotveil.host.verification import estimation
from shotveil.host.verification.verdict import verify
from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.accumulators import NAMES
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.link.optics import Detector
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.figures.digitiser_report import calibrate, session

SPEC, ONE = DigitiserSpec(), DigitiserSpec(quadratures=1)
SETTINGS = DigitiserSettings(layout=FrameLayout(preamble=16))
UNIT = np.sqrt(12) / 8192
SHOT = 2048.0**2  # variance of one SNU in raw units


def sums_of(spec, frames, rng, t2=0.4, noise=1.05, diffusion=0.0, angles=True):
    """Frame sums of symbols drawn directly, y = t·e^{iφ}·q + n: no receiver in between."""
    runs, length, gap = 7, 56, 57
    q = rng.normal(0, 8192, (2, frames, runs, length))
    steps = rng.normal(0, np.sqrt(diffusion), (frames, runs * gap))
    walk = np.cumsum(steps, axis=1).reshape(frames, runs, gap)[..., 1:]
    theta = rng.integers(-32768, 32768, (frames, runs)) if angles else np.zeros((frames, runs))
    phi = walk - 2 * np.pi * theta[..., None] / 65536
    if angles:
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
    return out, table


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
    sums, _ = sums_of(SPEC, 200, rng, 0.9 * eta, 1 + v + eta * 0.01, angles=False)
    symbols = estimation.statistics(SPEC, np.rint(sums.sum(axis=0)).astype(object), known, UNIT)
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


def figures(spec):
    """All that is estimated of one drawn session, with few symbols and a short calibration."""
    two = spec.quadratures == 2
    known = replace(calibration(spec, 0.05, 40_000), efficiency=0.9)
    sums, angles = sums_of(spec, 12, np.random.default_rng(21), 0.4, 1.2, 2e-4, two)
    found = estimation.estimate(spec, SETTINGS, sums, angles if two else None, known, UNIT, 0.95)
    quantities = (found.transmittance, found.excess_noise, found.snr, found.phase_diffusion)
    values = [[q.value, q.error, q.low, q.high] for q in quantities]
    return [*np.ravel(values), found.phase_excess, found.residual_phase, found.linewidth]


FIGURES = {
    2: [
        0.881190483, 0.0129499227, 0.853452916, 0.908928051,
        0.307208376, 0.0383836211, 0.224389679, 0.390027073,
        3.94559285, 0.0695510407, 3.79251204, 4.09867365,
        0.000161806771, 0.000175960784, -0.000225480303, 0.000549093844,
        10.2682803, 2.05893735, 2.57523474e-05,
    ],
    1: [
        0.437751831, 0.00702280679, 0.422642102, 0.45286156,
        0.192805799, 0.0303218677, 0.126596684, 0.259014915,
        3.79965227, 0.104119855, 3.57048601, 4.02881852,
        0.000170234856, 0.000192871179, -0.000254271747, 0.00059474146,
        0.191456786, 0.194341713, 2.70937189e-05,
    ],
}  # fmt: skip
"""As they were when bias and limits had been held to their level by the tests above: one session
shows any slip in a formula, where many sessions show that the formulas are right."""


@pytest.mark.parametrize("spec", [SPEC, ONE])
def test_the_figures_of_one_session_stay(spec):
    assert figures(spec) == pytest.approx(FIGURES[spec.quadratures], rel=1e-7, abs=1e-12)


def test_errors_of_a_calibration_by_hand():
    known = estimation.Calibration(5.0, 1.0, 200, 800, (1, 1), 2, 0.8)
    assert known.shot_variance == 4.0
    assert known.receiver == Detector(0.4, 0.25)
    assert known.vacuum_error == pytest.approx(5 / 4 * 0.1)
    assert known.shot_error == pytest.approx(np.hypot(0.125, 0.25 * 0.05))


def test_the_longer_lag_is_half_of_a_frame_and_two_at_least():
    assert [estimation._lag(runs) for runs in (3, 4, 5, 6, 7, 24)] == [2, 2, 2, 3, 3, 12]
