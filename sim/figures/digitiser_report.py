"""The digitiser's figures, measured on its bit-true model: `shotveil lab digitiser-report`.

With `--sessions N` it measures the bias over N sessions (some seconds each), with `--vacuum N` it
searches N samples of vacuum for false frames.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest

from shotveil.host.verification import estimation
from shotveil.host.verification.estimation import Calibration, Estimate
from shotveil.models.common.fixedpoint import IntArray, to_float
from shotveil.models.digitiser import chain, cordic, correlator, entry, matched, reference, timing
from shotveil.models.digitiser.channel import SimulatedChannel, convert, detect, framed, waveform
from shotveil.models.digitiser.phase_lock import PhaseLockSettings
from shotveil.models.digitiser.spec import (
    DARK_RECORD,
    PREAMBLE,
    ROW,
    VACUUM_RECORD,
    DigitiserSettings,
    DigitiserSpec,
    fractional_delay,
)
from shotveil.models.drive import chain as drive_chain
from shotveil.models.drive import reference as drive_reference
from shotveil.models.drive.spec import DriveSettings, DriveSpec, registers
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import FrameLayout
from shotveil.sim.cases.digitiser import (
    MODULATION_VARIANCE,
    REFERENCE,
    Light,
    light,
    outgoing,
    symbols_of_rows,
)
from shotveil.sim.cases.digitiser_link import HomodyneLight
from shotveil.sim.cases.digitiser_loop import close_model, lock_case, residual

WARM_UP = 48  # frames until timing and phase have settled
LAYOUT = FrameLayout(preamble=PREAMBLE)
# The loop for a laser whose phase walks by up to 10° a frame.
WIDE = PhaseLockSettings(ki=1 << 15)


# A session -------------------------------------------------------------------------------------


def calibrate(
    spec: DigitiserSpec,
    settings: DigitiserSettings,
    channel: SimulatedChannel,
    frames: int,
    rng: np.random.Generator,
) -> tuple[Calibration, tuple[int, ...]]:
    """Calibrate by vacuum and dark records through the receiver; return also the offset found.

    A first vacuum record only finds the offset. While that is unknown, its own error counts as
    vacuum noise, in a record of n symbols as ln(n)/n of it.
    """
    still = np.zeros((frames + 1) * settings.period, dtype=np.complex128)
    blocked = replace(channel, excess_noise=0.0)
    none = np.zeros((2, 0), dtype=np.int64)

    def record(
        kind: int, offset: tuple[int, ...] | None, light_in: np.ndarray = still
    ) -> chain.Received:
        setup = replace(settings, free_run=1, record=kind, offset_shift=15)
        on = kind == VACUUM_RECORD
        words = convert(spec, detect(spec, blocked, light_in, rng, light=on))
        return chain.model(spec, setup, words, none, offset=offset)

    first = record(VACUUM_RECORD, None, still[: (frames // 4 + 1) * settings.period])
    vacuum = record(VACUUM_RECORD, first.offset)
    dark = record(DARK_RECORD, vacuum.offset)
    found = Calibration.from_sums(
        spec, settings, vacuum.sums.session, dark.sums.session, channel.efficiency
    )
    return found, vacuum.offset


def receive(
    spec: DigitiserSpec, given: Light, offset: tuple[int, ...] | None = None
) -> chain.Received:
    """Receive a session from its second frame on; the search uses up the first one."""
    return chain.model(
        spec, given.settings, given.codes, _replayed(given.settings, given.q), offset=offset
    )


def _replayed(settings: DigitiserSettings, q: IntArray) -> IntArray:
    """The row symbols from the second frame on, and some more for the time behind the light."""
    row = settings.layout.row
    return np.concatenate([q[:, row:], np.zeros((2, 8 * row), np.int64)], axis=1)


@dataclass(frozen=True)
class Session:
    """A session's estimate, and the channel that it was made with."""

    channel: SimulatedChannel
    estimate: Estimate


def session(
    spec: DigitiserSpec, frames: int, linewidth: float, seed: int, calibration: int = 200
) -> Session:
    """A session with a random channel: T in [0.25, 1], ε in [0, 0.05], any delay and phase.

    The loop of the homodyne receiver is closed: its codes turn the phase of the light.
    """
    rng = np.random.default_rng(seed)
    channel = SimulatedChannel(
        transmittance=rng.uniform(0.25, 1),
        excess_noise=rng.uniform(0, 0.05),
        efficiency=0.9,
        delay=100 + rng.uniform(0, 8),
        linewidth=linewidth * rng.uniform(),
        phase=rng.uniform(0, 2 * np.pi),
        adc_offset=20.0,
    )
    sent, q, unit, settings = outgoing(spec, channel, frames + WARM_UP + 1, rng, LAYOUT)
    setup = replace(settings, offset_shift=15)
    known, offset = calibrate(spec, setup, channel, calibration, rng)
    angles = None
    if spec.quadratures == 2:
        light_in = Light(convert(spec, detect(spec, channel, sent, rng)), q, unit, setup)
        got = receive(spec, light_in, offset)
        count = len(got.sums.frames)
        angles = estimation.segment_angles(spec, setup, got.phases.angle, count)[WARM_UP:]
    else:
        link = HomodyneLight.through(spec, channel, sent, WIDE.span, rng)
        got = close_model(spec, setup, WIDE, link, _replayed(setup, q), offset, free=2).received
    found = estimation.estimate(spec, setup, got.sums.frames[WARM_UP:], angles, known, unit)
    return Session(channel, found)


def bias(
    spec: DigitiserSpec, sessions: int, frames: int = 100, linewidth: float = 1e-5, seed: int = 1
) -> Iterable[str]:
    """Mean error of T̂ and ε̂ over sessions, with its 99 % interval, and coverage of the limits."""
    started = time.perf_counter()
    done = [session(spec, frames, linewidth, 1000 * seed + k) for k in range(sessions)]
    kind = "phase-diverse" if spec.quadratures == 2 else "homodyne"
    yield (
        f"{kind}, {sessions} sessions of {frames} frames, linewidth × symbol time up to "
        f"{linewidth:g} ({time.perf_counter() - started:.0f} s)"
    )
    for name, truth in (("transmittance", "transmittance"), ("excess_noise", "excess_noise")):
        quantities = [getattr(s.estimate, name) for s in done]
        true = np.array([getattr(s.channel, truth) for s in done])
        error = np.array([quantity.value for quantity in quantities]) - true
        scaled = error / np.array([quantity.error for quantity in quantities])
        inside = sum(q.low <= t <= q.high for q, t in zip(quantities, true, strict=True))
        half = 2.576 * error.std(ddof=1) / np.sqrt(sessions)
        likely = binomtest(int(inside), sessions, 0.99).pvalue
        yield (
            f"  {name:<14} bias {error.mean():+.2e}, 99 % interval of zero ±{half:.2e}: "
            f"{'inside' if abs(error.mean()) <= half else 'OUTSIDE'}; "
            f"error/stated error {scaled.std(ddof=1):.2f}; 99 % limits cover {inside}/{sessions} "
            f"(p = {likely:.2f})"
        )
    drawn = np.array([s.estimate.linewidth - s.channel.linewidth for s in done])
    yield (
        f"  linewidth × symbol time: mean error {drawn.mean():+.1e} ± "
        f"{drawn.std(ddof=1) / np.sqrt(sessions):.1e}"
    )


# Accuracy --------------------------------------------------------------------------------------


def accuracy(
    spec: DigitiserSpec, frames: int = 2000, seed: int = 2, transmittance: float = 0.5
) -> dict[str, float]:
    """Compare the fixed-point receiver with float64 on the same samples.

    Returns relative differences of T̂ and σ̂² from the sums, and the SNR loss in dB against the
    ideal matched filter at the true delay, without converter. The phase does not move, so both use
    least squares over all symbols; the float side takes the receiver's own delay and angles, and
    has the same shot-noise units. Rounding noise is some 2·10⁻⁴ of the shot noise's amplitude. Its
    chance correlation with the noise is inversely proportional to the root of the number of
    symbols: 2·10⁻⁶ of the noise's variance for 40,000 symbols, below 10⁻⁶ from some 400,000 on.
    """
    rng = np.random.default_rng(seed)
    channel = SimulatedChannel(
        transmittance=transmittance, delay=200.37, phase=0.4 if spec.quadratures == 2 else 0
    )
    sent = light(spec, channel, frames, rng, LAYOUT)
    # This is the same noise again, in front of the converter.
    again = np.random.default_rng(seed)
    q, unit = _again(spec, frames, again)
    rows = ((q[0] + 1j * q[1]) * unit).reshape(frames, LAYOUT.row)
    line = waveform(spec, framed(LAYOUT, rows, REFERENCE).ravel(), channel.delay)
    line = np.concatenate([line, np.zeros(8 * spec.taps)])
    voltage = detect(spec, channel, line, again)
    assert np.array_equal(convert(spec, voltage), sent.codes)

    got = receive(spec, sent)
    steps = chain.plan(sent.settings)
    n, frames_got = len(steps.kind), len(got.sums.frames) - 1
    known = got.frames[:frames_got]
    starts = np.array([frame.start for frame in known])
    fractions = np.array([frame.fraction for frame in known])
    row = steps.kind == ROW
    sent_rows = np.array(rows[1 : frames_got + 1])
    skip = min(WARM_UP, frames_got // 2)

    # Now float64 on the same ADC words, with the same choice of delay, offset, scale and angles.
    samples, _ = entry.model(spec, sent.codes)
    designed = _float_taps(spec)
    values = np.empty((spec.quadratures, frames_got, n))
    for k in range(frames_got):
        part = samples[:, starts[k] : starts[k] + 4 * n + spec.taps - 4].astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(part, spec.taps, axis=1)[:, ::4]
        values[:, k] = windows @ designed[fractions[k]]
    same = _turned(spec, sent, got, values - _offsets(spec, sent, got, values), steps, frames_got)

    def fit(y: np.ndarray) -> tuple[float, float]:
        use, truth = y[skip:, row], sent_rows[skip:]
        if spec.quadratures == 1:
            t = np.sum(use.real * truth.real) / np.sum(truth.real**2)
            return t * t, float(np.mean((use.real - t * truth.real) ** 2))
        t = np.sum(np.conj(truth) * use).real / np.sum(np.abs(truth) ** 2)
        return t * t, float(np.mean(np.abs(use - t * truth) ** 2) / 2)

    t2, noise = _plain(spec, got.sums.frames[skip:frames_got], unit)
    float_t2, float_noise = fit(same)

    # The ideal receiver has no converter, and knows the true delay and the true phase.
    whole = int(np.floor(channel.delay))
    ideal_starts = whole + LAYOUT.length * 4 * (1 + np.arange(frames_got)) + 4 * PREAMBLE
    best = reference.matched(spec, voltage, ideal_starts, channel.delay - whole, n)
    ideal = best[0] + 1j * best[1] if spec.quadratures == 2 else best[0].astype(complex)
    ideal_t2, ideal_noise = fit(ideal / channel.shot_noise * np.exp(-1j * channel.phase))
    # `tracking_loss` measures what tracking a noisy phase costs; here the phase is the ideal one.
    straight = _turned(
        spec, sent, got, values - _offsets(spec, sent, got, values), steps, frames_got, True
    ) * np.exp(-1j * channel.phase)
    straight_t2, straight_noise = fit(straight)
    fixed = straight_t2 / straight_noise * (t2 / noise) / (float_t2 / float_noise)
    return {
        "transmittance": abs(t2 / float_t2 - 1),
        "noise": abs(noise / float_noise - 1),
        "snr_loss_db": -10 * np.log10(fixed / (ideal_t2 / ideal_noise)),
        "tracking_db": -10 * np.log10((t2 / noise) / (ideal_t2 / ideal_noise)),
    }


def _plain(spec: DigitiserSpec, frames: IntArray, unit: float) -> tuple[float, float]:
    """T̂ and σ̂² in SNU by least squares over all row symbols, from frame sums."""
    sums = frames[:, : spec.segments].sum(axis=(0, 1), dtype=object)
    named = dict(zip(estimation.NAMES, (int(v) for v in sums), strict=True))
    lsb = 2.0**-spec.symbol.fraction
    if spec.quadratures == 2:
        t = (named["qxx"] + named["qpp"]) * lsb / ((named["qxqx"] + named["qpqp"]) * unit)
        total = (named["xx"] + named["pp"]) * lsb**2 / 2
        power = (named["qxqx"] + named["qpqp"]) * unit**2 / 2
    else:
        t = named["qxx"] * lsb / (named["qxqx"] * unit)
        total, power = named["xx"] * lsb**2, named["qxqx"] * unit**2
    return t * t, (total - t * t * power) / named["count"]


def tracking_loss(
    spec: DigitiserSpec,
    linewidth: float = 0.0,
    transmittance: float = 0.5,
    phase_shift: int | None = None,
    loop: PhaseLockSettings | None = None,
    frames: int = 400,
    seed: int = 7,
) -> float:
    """The SNR in dB that tracking the phase costs.

    The receiver as it is, with its loop closed, is compared with one for the same light and noise
    but without the phase's movement. If phase-diverse, that one averages the phase for long.
    """
    rng = np.random.default_rng(seed)
    channel = SimulatedChannel(
        transmittance=transmittance, delay=200.37, phase=0.4, linewidth=linewidth
    )
    sent, q, unit, settings = outgoing(spec, channel, frames + WARM_UP, rng, LAYOUT)
    if phase_shift is not None:
        settings = replace(settings, phase_shift=phase_shift)
    replay = _replayed(settings, q)
    if spec.quadratures == 1:
        loop = loop or PhaseLockSettings()
        link = HomodyneLight.through(spec, channel, sent, loop.span, rng)
        real = close_model(spec, settings, loop, link, replay, free=2).received
        still = replace(link, light=link.light * np.exp(-1j * link.phase))
        ideal = chain.model(spec, settings, still.words(spec, np.zeros(link.blocks, int)), replay)
    else:
        draw = int(rng.integers(2**31))

        def seen(light_in: np.ndarray, noise: bool) -> np.ndarray:
            once = replace(channel, noise=noise)
            return detect(spec, once, light_in, np.random.default_rng(draw))

        noise = seen(0 * sent, True)
        bright = np.array([1, 1j]) @ seen(np.ones_like(sent), False)
        long = replace(settings, phase_shift=7)

        def through(gain: np.ndarray, setup: DigitiserSettings) -> chain.Received:
            field = gain * sent
            words = convert(spec, np.stack([field.real, field.imag]) + noise)
            return chain.model(spec, setup, words, replay)

        real, ideal = through(bright, settings), through(np.abs(bright), long)
    end = len(real.sums.frames) - 1
    snr = [np.divide(*_plain(spec, got.sums.frames[WARM_UP:end], unit)) for got in (real, ideal)]
    return float(10 * np.log10(snr[1] / snr[0]))


def _again(spec: DigitiserSpec, frames: int, rng: np.random.Generator) -> tuple[IntArray, float]:
    return symbols_of_rows(spec, frames * LAYOUT.row, rng)


def _float_taps(spec: DigitiserSpec) -> np.ndarray:
    """The matched filter's taps before rounding, in shot-noise units as the rounded ones are.

    A calibration divides by the filter's energy, so each fraction has the energy of integer taps.
    """
    designed = pulse.design(spec.samples_per_symbol, spec.taps, spec.rolloff)
    steps = np.arange(spec.fractions) / spec.fractions - 0.5
    taps = np.array([fractional_delay(designed, step) for step in steps])
    energy = np.linalg.norm(to_float(spec.coefficients(), spec.coefficient), axis=1)
    found: np.ndarray = taps * (energy / np.linalg.norm(taps, axis=1))[:, None]
    return found


def _offsets(
    spec: DigitiserSpec, sent: Light, got: chain.Received, values: np.ndarray
) -> np.ndarray:
    """The offset that a float64 receiver with the same rule subtracts from each symbol."""
    steps = chain.plan(sent.settings)
    vacuum = np.flatnonzero(steps.kind == 2)
    frames = values.shape[1]
    out = np.zeros_like(values)
    offset = np.zeros(spec.quadratures)
    seen = 0
    for k in range(frames):
        out[:, k] = offset[:, None]
        for at in vacuum:
            out[:, k, at] = offset
            gain = min(seen.bit_length(), sent.settings.offset_shift)
            offset = offset + (values[:, k, at] - offset) / 2**gain
            seen = min(seen + 1, (1 << 15) - 1)
    return out


def _turned(
    spec: DigitiserSpec,
    sent: Light,
    got: chain.Received,
    values: np.ndarray,
    steps: chain.Plan,
    frames: int,
    still: bool = False,
) -> np.ndarray:
    """Complex symbols in √SNU, rotated back by the receiver's angles unless `still`."""
    scale = np.array(sent.settings.scale[: spec.quadratures]) / 2.0**spec.scale.fraction
    scaled = values * scale[:, None, None]
    if spec.quadratures == 1:
        return scaled[0].astype(complex)
    y = (scaled[0] + 1j * scaled[1]) * cordic.gain(spec)
    if still:
        return y
    pilots: IntArray = np.cumsum(np.tile(steps.pilot >= 0, frames)) - np.tile(
        steps.pilot >= 0, frames
    )
    theta = np.concatenate([[0], got.phases.angle])[pilots].reshape(y.shape)
    return y * np.exp(-2j * np.pi * theta / 2.0**spec.phase_bits)


# Back to back ----------------------------------------------------------------------------------


def back_to_back(frames: int = 24, seed: int = 3) -> dict[str, float]:
    """Excess noise in SNU that drive and receiver add through an ideal link without noise.

    The drive's DAC codes pass an ideal modulator and the receiver; V_A = 12 SNU. The figure of a
    block is the excess noise that is left when all parts before it are ideal.
    """
    drive = DriveSpec(row_capacity=512)
    spec = DigitiserSpec()
    rng = np.random.default_rng(seed)
    setup = DriveSettings(layout=LAYOUT)
    deviation = drive.symbol.highest / 4
    limit = drive.symbol.highest
    raw = np.clip(np.rint(rng.normal(0, deviation, (frames, 2, LAYOUT.row))), -limit, limit)
    raw = raw.astype(np.int64)
    unit = float(np.sqrt(MODULATION_VARIANCE) / deviation)
    sent = drive_chain.model(drive, registers(drive, setup), raw)
    fields = drive_reference.modulator(setup.arms, to_float(sent.codes, drive.dac))
    digital = np.concatenate([fields[:, 0] + 1j * fields[:, 1]], axis=1).ravel()
    # This is the field that the same symbols make without any rounding, on the same axis.
    ideal = drive_reference.field(drive, setup, to_float(raw, drive.symbol))
    perfect = (ideal[:, 0] + 1j * ideal[:, 1]).ravel()
    truth = (raw[:, 0] + 1j * raw[:, 1]) * unit

    # To √SNU: the float pulse of the drive has this energy per symbol amplitude.
    taps = drive_reference.float_taps(drive, setup, registers(drive, setup))
    scale = float(unit * (1 << drive.symbol.fraction) / np.linalg.norm(taps))
    q = np.moveaxis(raw, 1, 0).reshape(2, -1)

    def received(light_in: np.ndarray) -> float:
        channel = SimulatedChannel(noise=False, electronic_noise=0.0, delay=0.0)
        line = np.concatenate([np.zeros(200), light_in * scale * np.sqrt(2), np.zeros(600)])
        codes = convert(spec, detect(spec, channel, line, np.random.default_rng(0)))
        pilot = round(setup.reference * (1 << drive.symbol.fraction))
        settings = DigitiserSettings(layout=LAYOUT, minimum=1 << 20, pilot=pilot)
        got = receive(spec, Light(codes, q, unit, settings))
        rows = (got.kind == ROW) & ~got.lost & (got.frame < frames - 1)
        y = (got.value[0] + 1j * got.value[1])[rows] / 2.0**spec.symbol.fraction
        return _error(y, truth[1:].ravel()[: len(y)])

    def filtered(light_in: np.ndarray) -> float:
        """The light through an ideal receiver."""
        starts = 200 + LAYOUT.length * 4 * np.arange(frames) + 4 * PREAMBLE
        line = np.concatenate([np.zeros(200), light_in, np.zeros(600)])
        steps = chain.plan(DigitiserSettings(layout=LAYOUT))
        both = np.stack([line.real, line.imag])
        y = reference.matched(spec, both, starts, 0.0, len(steps.kind))[:, :, steps.kind == ROW]
        return _error((y[0] + 1j * y[1]).ravel(), truth.ravel())

    def only_filter() -> float:
        """ADC and matched filter alone, with ideal light and everything behind them ideal."""
        line = np.concatenate([np.zeros(200), perfect * scale, np.zeros(600)]) * 256
        samples = np.rint(np.stack([line.real, line.imag])).astype(np.int64)
        starts = 200 + LAYOUT.length * 4 * np.arange(frames) + 4 * PREAMBLE
        steps = chain.plan(DigitiserSettings(layout=LAYOUT))
        over = np.zeros(samples.shape[1], bool)
        y = matched.frames(spec, samples, over, starts, np.full(frames, 32), len(steps.kind)).value[
            :, :, steps.kind == ROW
        ]
        return _error((y[0] + 1j * y[1]).ravel(), truth.ravel())

    return {
        "drive alone (ideal receiver)": filtered(digital),
        "ADC and matched filter alone": only_filter(),
        "receiver alone (ideal drive)": received(perfect),
        "drive and receiver": received(digital),
    }


def _error(y: np.ndarray, q: np.ndarray) -> float:
    """ε of y = t·q + error, per quadrature, referred to the input: V_A·Σ|y/t − q|²/Σ|q|²."""
    t = np.vdot(q, y) / np.vdot(q, q)
    error = y / abs(t) - q
    return float(MODULATION_VARIANCE * np.vdot(error, error).real / np.vdot(q, q).real)


# Acquisition -----------------------------------------------------------------------------------


def found_at_every_delay(
    spec: DigitiserSpec, delays: Iterable[int], transmittance: float = 0.25, seed: int = 4
) -> tuple[int, int]:
    """At how many integer delays the frame was found to the sample, and how many were tried.

    There are two frames in vacuum; the receiver has to place the second one within half a sample
    and one step of its true start.
    """
    hits = total = 0
    rng = np.random.default_rng(seed)
    for delay in delays:
        channel = SimulatedChannel(
            transmittance=transmittance,
            delay=float(delay),
            phase=rng.uniform(0, 2 * np.pi),
        )
        given = light(spec, channel, 2, rng, LAYOUT)
        samples, _ = entry.model(spec, given.codes)
        found = timing.model(
            spec, given.settings, correlator.model(spec, samples, given.settings.minimum)
        )
        want = delay + LAYOUT.length * 4 + 4 * PREAMBLE
        total += 1
        hits += bool(
            found
            and not found[0].lost
            and abs(found[0].start + (found[0].fraction - 32) / 64 - want) < 1
        )
    return hits, total


def false_frames(spec: DigitiserSpec, samples: int, seed: int = 5) -> tuple[int, float]:
    """The number of false hits in vacuum, and the largest power as a fraction of the threshold."""
    rng = np.random.default_rng(seed)
    minimum = correlator.threshold(spec, 256.0)
    hits, largest = 0, 0.0
    step = 2_000_000
    for _ in range(0, samples, step):
        noise = rng.standard_normal((spec.quadratures, step), dtype=np.float32) * 256
        found = correlator.model(spec, np.rint(noise).astype(np.int64), minimum)
        hits += int(found.hit.sum())
        largest = max(largest, float(found.power.max()) / minimum)
    return hits, largest


# Homodyne lock ---------------------------------------------------------------------------------


def lock_transient(
    start: float, frames: int = 120, transmittance: float = 1.0, seed: int = 6
) -> np.ndarray:
    """Phase of the light at the pilots, in rad, shape (frames, pilots), from reset on.

    The loop is closed around the whole receiver's bit-true model.
    """
    spec = DigitiserSpec(quadratures=1)
    channel = SimulatedChannel(transmittance=transmittance, delay=104.3, phase=start)
    rng = np.random.default_rng(seed)
    settings, link, q = lock_case(spec, channel, frames + 2, rng)
    closed = close_model(spec, settings, PhaseLockSettings(), link, q)
    return residual(spec, settings, link, closed)[:frames]


# Printing --------------------------------------------------------------------------------------


def floors() -> Iterable[str]:
    """All figures that take only seconds to measure."""
    for n in (2, 1):
        spec = DigitiserSpec(quadratures=n)
        kind = "phase-diverse" if n == 2 else "homodyne"
        found = accuracy(spec)
        yield (
            f"{kind}: sums against float64 on the same samples: T relative "
            f"{found['transmittance']:.1e}, noise relative {found['noise']:.1e}; SNR loss against "
            f"the ideal matched filter {found['snr_loss_db']:.4f} dB"
        )
        for linewidth in (0.0, 1e-6, 1e-5):
            if n == 2:
                names = [f"phase_shift {shift}" for shift in (3, 2, 1)]
                losses = [tracking_loss(spec, linewidth, phase_shift=s) for s in (3, 2, 1)]
            else:
                names = [f"ki 2^{k - 16}" for k in (13, 14, 15)]
                losses = [
                    tracking_loss(spec, linewidth, loop=PhaseLockSettings(ki=1 << k))
                    for k in (13, 14, 15)
                ]
            listed = ", ".join(f"{v:.3f} ({k})" for k, v in zip(names, losses, strict=True))
            yield f"  tracking costs at linewidth × symbol time {linewidth:g}, dB: {listed}"
    yield "Excess noise added without any noise, SNU at V_A = 12 SNU"
    for name, value in back_to_back().items():
        yield f"  {name:<32} {value:.2e}"
    for n in (2, 1):
        spec = DigitiserSpec(quadratures=n)
        hits, total = found_at_every_delay(spec, range(4096))
        yield f"{n} quadrature(s): frame found at {hits} of {total} delays, T = 0.25, any phase"
    for transmittance in (1.0, 0.5):
        worst, rest = 0, []
        for start in np.linspace(-np.pi, np.pi, 16, endpoint=False):
            line = lock_transient(float(start), transmittance=transmittance)
            beyond = np.flatnonzero(np.abs(line).max(axis=1) > np.deg2rad(5))
            worst = max(worst, int(beyond[-1]) + 1 if len(beyond) else 0)
            rest.append(line[50:])
        rms = float(np.rad2deg(np.sqrt(np.mean(np.square(rest)))))
        yield (
            f"homodyne lock from 16 starting phases, T = {transmittance:g}, drift 0.057° a frame: "
            f"within 5° after {worst} frames at most, residual {rms:.2f}° rms after 50, at pilots"
        )


def vacuum(samples: int) -> Iterable[str]:
    """The number of false frames in vacuum."""
    for n in (2, 1):
        hits, largest = false_frames(DigitiserSpec(quadratures=n), samples)
        yield (
            f"{n} quadrature(s): {hits} false hits in {samples:.0e} vacuum samples; the largest "
            f"power was {largest:.2f} of the threshold"
        )


def report(sessions: int | None = None, samples: int | None = None) -> dict[str, Iterable[str]]:
    """The parts of the report by name: those asked for, or the floors if none is.

    `sessions` asks for the bias over so many sessions of each kind, `samples` for the false frames
    in so many samples of vacuum.
    """
    parts: dict[str, Iterable[str]] = {}
    if sessions:
        for n, kind in ((2, "phase_diverse"), (1, "homodyne")):
            parts[f"bias_{kind}"] = bias(DigitiserSpec(quadratures=n), sessions)
    if samples:
        parts["vacuum"] = vacuum(samples)
    return parts or {"floors": floors()}
