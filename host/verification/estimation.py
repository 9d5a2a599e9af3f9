"""Estimates transmittance, excess noise, SNR and phase noise from the digitiser's sums.

Each estimate comes with its error. Everything is in the shot-noise units of a calibration, which
consists of a vacuum record (local oscillator on, no signal) and a dark record (all light off) that
took the same path through the receiver.

**Separating phase noise from excess noise.** The phase drifts within a frame, and the part of the
drift that tracking leaves would look like loss and excess noise. So each run s of row symbols
between two pilot groups gives its own complex gain

    ĝ_s = Σ q*·y/Σ|q|²  (homodyne: least squares of y on both quadratures of q)

from which the rotation by the receiver is undone. The noise of different runs is independent, and
the phase of a laser is a Wiener process with variance D per symbol, so

    E Re ĝ_s·ĝ*_{s+j} = t²·exp(−D·Δ·j/2),  with Δ symbols from one run to the next.

Two lags j give D and, extrapolated to lag 0, t². The residuals within the runs give the noise.
Phase noise contributes t²·|q|²·D·(n² − 1)/(6n) to it for a run of n symbols, and this part is
subtracted. Neither a model of the tracking nor any pilot enters the estimate, so an adversary gains
nothing by treating pilots differently from the row.

In homodyne mode the phase shifter moves during the first runs of a frame (see
`models.digitiser.chain.moving_runs`). A run with a step in it has neither a single gain nor a
Wiener phase, so those runs are left out. The phase noise within the other runs is estimated and
subtracted as above; `phase_excess` states what it would add.

**Errors** come from the jackknife over frames, combined with the errors of the calibration. The
jackknife assumes that frames are independent, and nothing about the noise within them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.accumulators import MODE_SUMS, NAMES
from shotveil.models.digitiser.chain import moving_runs
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.link.optics import Detector
from shotveil.models.link.statistics import SymbolStatistics

FloatArray = npt.NDArray[np.float64]
COLUMN = {name: index for index, name in enumerate(NAMES)}


@dataclass(frozen=True)
class Calibration:
    """The calibration of a receiver, which is measured before a session.

    vacuum_variance, dark_variance: Variance of a quadrature in the vacuum and in the dark record,
        as the mean over the quadratures, in raw symbol units squared.
    vacuum_count, dark_count: Number of quadrature values in each record.
    scale: The receiver's scale for each quadrature, with which both records were taken.
    quadratures: Number of quadratures that the receiver measures, 1 or 2.
    efficiency: Efficiency of the detector in (0, 1], which is calibrated separately and trusted.
    """

    vacuum_variance: float
    dark_variance: float
    vacuum_count: int
    dark_count: int
    scale: tuple[int, ...]
    quadratures: int
    efficiency: float = 1.0

    @classmethod
    def from_sums(
        cls,
        spec: DigitiserSpec,
        settings: DigitiserSettings,
        vacuum: npt.ArrayLike,
        dark: npt.ArrayLike,
        efficiency: float = 1.0,
    ) -> Calibration:
        """Return the calibration from session sums, shape (words, 16), of both records.

        settings: The settings with whose scales both records were taken. Raises `RangeError` for
        fewer than 2 symbols, an efficiency outside (0, 1], or a vacuum record that is not noisier
        than the dark one.
        """
        require("efficiency", efficiency, above=0, at_most=1)
        found = []
        for name, sums, word in (
            ("vacuum", vacuum, spec.vacuum_word),
            ("dark", dark, spec.dark_word),
        ):
            line = np.asarray(sums, dtype=object)[word]
            count = int(line[COLUMN["count"]])
            require(f"count of {name} symbols", count, at_least=2)
            variances = [
                (int(line[COLUMN[2 * axis]]) - int(line[COLUMN[axis]]) ** 2 / count) / (count - 1)
                for axis in "xp"[: spec.quadratures]
            ]
            found.append((float(np.mean(variances)), count * spec.quadratures))
        (vacuum_variance, vacuum_count), (dark_variance, dark_count) = found
        if not vacuum_variance > dark_variance:
            raise RangeError(
                f"vacuum variance = {vacuum_variance:g} is outside ({dark_variance:g}, ∞), above "
                "the dark's: is the local oscillator on?"
            )
        return cls(
            vacuum_variance,
            dark_variance,
            vacuum_count,
            dark_count,
            settings.scale[: spec.quadratures],
            spec.quadratures,
            efficiency,
        )

    @property
    def shot_variance(self) -> float:
        """One shot-noise unit, in raw symbol units squared."""
        return self.vacuum_variance - self.dark_variance

    @property
    def receiver(self) -> Detector:
        """The trusted receiver. A phase-diverse receiver counts with half its efficiency."""
        return Detector(self.efficiency / self.quadratures, self.dark_variance / self.shot_variance)

    @property
    def vacuum_error(self) -> float:
        """Standard error of the vacuum's variance, in shot-noise units."""
        return self.vacuum_variance / self.shot_variance * float(np.sqrt(2 / self.vacuum_count))

    @property
    def shot_error(self) -> float:
        """Relative standard error of the shot-noise unit."""
        dark = self.dark_variance / self.shot_variance * np.sqrt(2 / self.dark_count)
        return float(np.hypot(self.vacuum_error, dark))


@dataclass(frozen=True)
class Quantity:
    """An estimate with its standard error and two-sided confidence limits."""

    value: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """The channel as estimated from a session.

    transmittance: Power transmittance.
    excess_noise: Excess noise in SNU at the returned mode, without the receiver's loss, its
        electronic noise and phase noise.
    snr: Signal-to-noise ratio t²·Var(q)/noise of a quadrature.
    phase_diffusion: D, in rad² per symbol: 2π times linewidth times symbol time.
    phase_excess: Excess noise (SNU) that the tracked phase would add if it were not subtracted.
    residual_phase: Rms phase error, in rad, that the receiver's tracking left in the row.
    frames, symbols: Number of frames and of symbols that were used.
    confidence: Confidence of the limits of each quantity, in (0, 1).
    calibration: The calibration that the estimate rests on.
    """

    transmittance: Quantity
    excess_noise: Quantity
    snr: Quantity
    phase_diffusion: Quantity
    phase_excess: float
    residual_phase: float
    frames: int
    symbols: int
    confidence: float
    calibration: Calibration

    @property
    def linewidth(self) -> float:
        """Laser linewidth (FWHM) times symbol time."""
        return self.phase_diffusion.value / (2 * np.pi)


@dataclass(frozen=True)
class _Moments:
    """The sums over each frame, shape (frames,), from which all estimates are computed."""

    near: FloatArray  # Σ w·Re ĝ_s·ĝ*_{s+1}, with the sum of the weights w next
    near_weight: FloatArray
    far: FloatArray
    far_weight: FloatArray
    residual: FloatArray
    freedom: FloatArray
    spread: FloatArray  # residual for each t² that a diffusion of 1 rad² per symbol causes
    power: FloatArray  # Σ of the variance of q per quadrature, times symbols
    symbols: FloatArray
    coherent: npt.NDArray[np.complex128]  # Σ w·ĝ, with ĝ as the receiver rotated it
    weight: FloatArray

    def without_each(self) -> _Moments:
        """Return the totals over all frames but one, for each frame left out, shape (frames,)."""
        return _Moments(*(v.sum() - v for v in vars(self).values()))

    def total(self) -> _Moments:
        """Return the totals over all frames, shape (1,)."""
        return _Moments(*(v.sum(keepdims=True) for v in vars(self).values()))


def estimate(
    spec: DigitiserSpec,
    settings: DigitiserSettings,
    frames: npt.ArrayLike,
    angles: npt.ArrayLike | None,
    calibration: Calibration,
    q_unit: float,
    confidence: float = 0.99,
) -> Estimate:
    """Estimate the channel from the frame sums of a session, shape (frames, words, 16).

    angles: Angles, in units of 2^−phase_bits turns, by which the receiver rotated each run back,
        shape (frames, segments) (see `segment_angles`); None in homodyne mode.
    q_unit: Size of one unit of q in √SNU.
    confidence: Confidence of the limits of each quantity, in (0, 1).

    Frames with a run of fewer than 3 good symbols are left out. Raises `RangeError` for fewer than
    8 frames, fewer than 3 runs in a frame, a calibration with other scales, or a signal that is too
    weak to be seen.
    """
    require("confidence", confidence, above=0, below=1)
    require("q_unit", q_unit, above=0)
    if tuple(calibration.scale) != tuple(settings.scale[: spec.quadratures]):
        raise RangeError(
            f"scale = {settings.scale[: spec.quadratures]} is not that of the calibration, "
            f"{calibration.scale}"
        )
    moving = moving_runs(spec, settings)
    runs = settings.layout.groups - 1 - moving
    require("runs of row symbols in a frame", runs, at_least=3)
    moments = _moments(
        spec, settings, frames, angles, calibration, q_unit, slice(moving, moving + runs)
    )
    count = len(moments.near)
    require("frames with good symbols", count, at_least=8)
    lag = _lag(runs)
    distance = settings.layout.pilot_spacing + settings.layout.pilots
    value = _channel(moments.total(), lag, distance)
    each = _channel(moments.without_each(), lag, distance)
    if not all(np.all(np.isfinite(v)) for v in (*value, *each)):
        raise RangeError("the signal is too weak, or too few frames were taken, to see its phase")

    receiver = calibration.receiver
    student = float(-stdtrit(count - 1, (1 - confidence) / 2))
    normal = float(-ndtri((1 - confidence) / 2))

    def quantity(name: int, scale: float, shift: float, calibrated: float) -> Quantity:
        deviations = each[name] - each[name].mean()
        jackknife = float(np.sqrt((count - 1) / count * np.sum(deviations**2))) * scale
        centre = float(value[name][0]) * scale - shift
        room = float(np.hypot(student * jackknife, normal * calibrated))
        error = float(np.hypot(jackknife, calibrated))
        return Quantity(centre, error, centre - room, centre + room)

    t2, noise = float(value[0][0]), float(value[1][0])
    efficiency = receiver.efficiency
    snr = float(value[3][0])
    whole = moments.total()
    coherence = abs(whole.coherent[0] / whole.weight[0]) / np.sqrt(t2)
    residual = float(np.sqrt(max(0.0, -2 * np.log(coherence))))
    # Signal power per quadrature that phase errors turn into noise at the output.
    scattered = t2 * float(whole.power[0] / whole.symbols[0]) * -float(np.expm1(-(residual**2)))
    return Estimate(
        transmittance=quantity(0, 1 / efficiency, 0.0, t2 / efficiency * calibration.shot_error),
        # ε = (σ² − vacuum)/η, so the calibration enters mainly by the error of the vacuum.
        excess_noise=quantity(
            1,
            1 / efficiency,
            (1 + receiver.electronic_noise) / efficiency,
            float(
                np.hypot(
                    calibration.vacuum_error,
                    calibration.shot_error * (noise - 1 - receiver.electronic_noise),
                )
            )
            / efficiency,
        ),
        snr=quantity(3, 1.0, 0.0, 0.0 * snr),
        phase_diffusion=quantity(2, 1.0, 0.0, 0.0),
        phase_excess=scattered / efficiency,
        residual_phase=residual,
        frames=count,
        symbols=int(whole.symbols[0]),
        confidence=confidence,
        calibration=calibration,
    )


def segment_angles(
    spec: DigitiserSpec, settings: DigitiserSettings, phases: npt.ArrayLike, frames: int
) -> npt.NDArray[np.int64]:
    """Return the angles by which the receiver rotated each run back, shape (frames, segments).

    phases: Phases of all pilots of `frames` whole frames in order, as the receiver streams them.
    Raises `RangeError` for too few phases.
    """
    layout = settings.layout
    pilots = layout.groups * layout.pilots
    given = np.asarray(phases, dtype=np.int64)
    require("number of phases", len(given), at_least=frames * pilots)
    table = given[: frames * pilots].reshape(frames, layout.groups, layout.pilots)
    out = np.zeros((frames, spec.segments), dtype=np.int64)
    out[:, : layout.groups - 1] = table[:, :-1, -1]
    return out


def statistics(
    spec: DigitiserSpec,
    session: npt.ArrayLike,
    calibration: Calibration,
    q_unit: float,
    rows: IntArray,
    times: int = 1,
) -> SymbolStatistics:
    """Return the sums over a server's rows in SNU, in the form that verification takes.

    session: Session sums of the receiver, shape (words, 16).
    rows: The raw symbols that were sent, shape (rows, 2, modes), `times` times each.
    q_unit: Size of one raw symbol unit in √SNU.

    Both quadratures are counted together, and phase noise counts as the client's excess noise.
    Light that was sent but is in no sum enters as vacuum, so it counts as lost. Otherwise an
    adversary could hide light by making its frame unreadable.

    Raises `RangeError` where more symbols were summed than sent, or where all were summed but not
    the symbols that were sent.
    """
    total, missing = _of_rows(spec, session, times * rows.size)
    qq = times * int(np.sum(rows.astype(np.int64) ** 2))
    if not missing and total["qxqx"] + total["qpqp"] != qq:
        raise RangeError(
            f"Σq² = {total['qxqx'] + total['qpqp']} of the symbols that the receiver compared the "
            f"light with; allowed: {qq}, that of those sent"
        )
    vacuum = missing * calibration.vacuum_variance
    sums = SymbolStatistics(
        times * rows.size, qq, total["qxx"] + total["qpp"], total["xx"] + total["pp"] + vacuum
    )
    return sums.in_units(q_unit, 1 / float(np.sqrt(calibration.shot_variance)))


def mode_statistics(
    spec: DigitiserSpec,
    session: npt.ArrayLike,
    modes: npt.ArrayLike,
    calibration: Calibration,
    q_unit: float,
    rows: IntArray,
    mode_shift: int,
) -> SymbolStatistics:
    """Return the sums as `statistics` does, but for each mode, arrays (modes,).

    modes: The receiver's sums for each mode, shape (modes of the node, 4).
    mode_shift: 2^`mode_shift` neighbouring modes have a common sum, which is split evenly here.

    Lost light is split evenly over all modes. Raises `RangeError` where more symbols were summed
    than sent.
    """
    _, missing = _of_rows(spec, session, rows.size)
    count = rows.shape[2]
    group = np.arange(count) >> mode_shift
    members = np.bincount(group)[group]
    shared = np.asarray(modes).T[:, group].astype(np.float64) / members
    by = dict(zip(MODE_SUMS, shared, strict=True))
    qq = np.sum(rows.astype(np.float64) ** 2, axis=(0, 1))
    sums = SymbolStatistics(
        np.full(count, 2 * len(rows), dtype=np.int64),
        np.bincount(group, qq)[group] / members,
        by["re"],
        by["yy"] + missing / count * calibration.vacuum_variance,
    )
    return sums.in_units(q_unit, 1 / float(np.sqrt(calibration.shot_variance)))


def _of_rows(spec: DigitiserSpec, session: npt.ArrayLike, sent: int) -> tuple[dict[str, int], int]:
    """Return the session sums of the rows by name, and the number of quadratures they lack."""
    rows = np.asarray(session, dtype=object)[: spec.segments].sum(axis=0)
    total = {name: int(rows[index]) for name, index in COLUMN.items()}
    summed = 2 * total["count"]
    require("number of quadratures that the receiver summed", summed, at_most=sent)
    return total, sent - summed


def _lag(runs: int) -> int:
    """Return the longer of the two lags: half the runs of a frame, at least 2."""
    return max(2, runs // 2)


def _channel(
    moments: _Moments, lag: int, distance: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return t², noise variance, phase diffusion and SNR from totals."""
    with np.errstate(invalid="ignore", divide="ignore"):
        near = moments.near / moments.near_weight
        far = moments.far / moments.far_weight
        growth = (near / far) ** (1 / (lag - 1))  # exp(D·Δ/2)
        t2 = near * growth
        diffusion = 2 * np.log(growth) / distance
        noise = (moments.residual - t2 * diffusion * moments.spread) / moments.freedom
        snr = t2 * moments.power / moments.symbols / noise
    return t2, noise, diffusion, snr


def _moments(
    spec: DigitiserSpec,
    settings: DigitiserSettings,
    frames: npt.ArrayLike,
    angles: npt.ArrayLike | None,
    calibration: Calibration,
    q_unit: float,
    runs: slice,
) -> _Moments:
    sums = np.asarray(frames, dtype=np.float64)[:, runs]
    if sums.ndim != 3 or sums.shape[2] != len(NAMES):
        raise RangeError(f"frames have shape {np.shape(frames)}; allowed: (frames, words, 16)")
    use = np.all(sums[..., COLUMN["count"]] > 2, axis=1)
    sums = sums[use]
    y_unit = 1 / np.sqrt(calibration.shot_variance)
    by = {name: sums[..., index] for name, index in COLUMN.items()}
    n = by["count"]
    cross = {k: by[k] * q_unit * y_unit for k in ("qxx", "qxp", "qpx", "qpp")}
    qxqx, qpqp, qxqp = (by[k] * q_unit**2 for k in ("qxqx", "qpqp", "qxqp"))
    yy = (by["xx"] + by["pp"]) * y_unit**2
    if spec.quadratures == 2:
        power = qxqx + qpqp
        z = cross["qxx"] + cross["qpp"] + 1j * (cross["qxp"] - cross["qpx"])
        gain = z / power
        residual = yy - np.abs(z) ** 2 / power
        freedom = 2 * n - 2
        spread = power / n * (n**2 - 1) / 6
    else:
        determinant = qxqx * qpqp - qxqp**2
        u = (qpqp * cross["qxx"] - qxqp * cross["qpx"]) / determinant
        v = (qxqx * cross["qpx"] - qxqp * cross["qxx"]) / determinant
        gain = u - 1j * v
        residual = yy - u * cross["qxx"] - v * cross["qpx"]
        freedom = n - 2
        power = determinant / np.maximum(qxqx + qpqp, 1e-300) * 2
        spread = qpqp / n * (n**2 - 1) / 6
    turned = gain
    if spec.quadratures == 2:
        if angles is None:
            raise RangeError("angles is None; allowed: an angle for each run of each frame")
        table = np.asarray(angles, dtype=np.float64)[use][:, runs]
        gain = gain * np.exp(2j * np.pi * table / 2.0**spec.phase_bits)

    def products(lag: int) -> tuple[FloatArray, FloatArray]:
        weight = power[:, :-lag] * power[:, lag:]
        value = weight * np.real(gain[:, :-lag] * gain[:, lag:].conj())
        return value.sum(axis=1), weight.sum(axis=1)

    near, near_weight = products(1)
    far, far_weight = products(_lag(runs.stop - runs.start))
    variance = (qxqx + qpqp) / 2
    return _Moments(
        near,
        near_weight,
        far,
        far_weight,
        residual.sum(axis=1),
        freedom.sum(axis=1),
        spread.sum(axis=1),
        variance.sum(axis=1),
        n.sum(axis=1),
        (power * turned).sum(axis=1),
        power.sum(axis=1),
    )
