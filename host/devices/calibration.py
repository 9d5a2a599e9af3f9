"""Calibration of a server's node: what it has to know of its optics, found from measurements alone.

In order, from settings that may be far off:

1. **Records.** Vacuum (oscillator on, signal blocked) and dark (all light off) give the shot-noise
   unit and the electronic noise, through the same filter and scale as the signal.
2. **Modulator.** Each arm is swept over the DAC's range while the other stands still. What returns
   is that of a Mach-Zehnder,

       z(V) = z₀ + c·(sin u − iγ·cos u),    u = π(V − bias)/(2·Vπ),

   with the leak γ of its finite extinction in quadrature to the rest. A fit gives bias, Vπ, γ and
   the complex c; the angle between both arms' c tells how far I and Q are from a right angle.
3. **Delay.** Frames sent after darkness come back some samples later; the receiver tells when.
4. **Phase** of the pilots, and how fast it moves.

How many photons leave the server needs a calibrated power meter behind the modulator: no
measurement of the returned light can tell it from the loop's transmittance.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from shotveil.host.verification.estimation import COLUMN, Calibration
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.files import write_atomically
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.drive.spec import Arm

SWEEP = tuple(float(v) for v in np.linspace(-0.95, 0.95, 20))  # of the DAC's full scale
# A fit is refused if it leaves more than so many times the noise.
WORST_FIT = 3.0


@dataclass(frozen=True)
class Echo:
    """Frames as they came back: samples from each one's first code to its light, with fractions,
    and the pilots' phase (rad) in each."""

    delays: npt.NDArray[np.float64]
    phases: npt.NDArray[np.float64]


class CalibrationBench(Protocol):
    """What a calibration asks of the nodes. Sums are session sums of the server's receiver."""

    @property
    def spec(self) -> DigitiserSpec:
        """What the receiver is built as."""

    @property
    def settings(self) -> DigitiserSettings:
        """What it is set to."""

    def vacuum(self) -> IntArray:
        """Oscillator on, signal blocked."""

    def dark(self) -> IntArray:
        """All light off."""

    def held(self, voltages: tuple[float, float]) -> IntArray:
        """Both arms of the modulator held at voltages over the DAC's full scale."""

    def echo(self, arms: tuple[Arm, Arm]) -> Echo:
        """Frames of empty rows, sent after darkness by a drive set to `arms`."""


@dataclass(frozen=True)
class MeasuredValue:
    """A value with its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class ArmFound:
    """One arm: null bias and Vπ over the DAC's full scale, leak γ of the field, relative size of
    its field."""

    bias: MeasuredValue
    half_wave: MeasuredValue
    leak: MeasuredValue
    size: MeasuredValue


@dataclass(frozen=True)
class NodeCalibration:
    """All that was found. delay in samples, phase in rad, drift in rad per frame."""

    receiver: Calibration
    arms: tuple[ArmFound, ArmFound]
    quadrature: MeasuredValue
    delay: MeasuredValue
    phase: MeasuredValue
    drift: MeasuredValue

    def drive_arms(self) -> tuple[Arm, Arm]:
        """What to set the drive to. The stronger arm is weakened to the other's size."""
        i, q = self.arms
        weaker = min(i.size.value, q.size.value)
        first, second = (
            Arm(arm.half_wave.value, arm.bias.value, weaker / arm.size.value) for arm in (i, q)
        )
        return first, second

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_atomically(path, json.dumps(self.as_dict(), indent=2).encode())

    @classmethod
    def load(cls, path: Path) -> NodeCalibration:
        """Read what `save` wrote; raises `RangeError` for any other file."""
        try:
            given = json.loads(path.read_text())
            receiver = dict(given["receiver"])
            receiver["scale"] = tuple(receiver["scale"])
            i, q = (
                ArmFound(**{name: MeasuredValue(**value) for name, value in arm.items()})
                for arm in given["arms"]
            )
            rest = {
                name: MeasuredValue(**given[name])
                for name in ("quadrature", "delay", "phase", "drift")
            }
            return cls(Calibration(**receiver), (i, q), **rest)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise RangeError(
                f"calibration {path} cannot be read; allowed: a file that a calibration wrote"
            ) from None


def calibrate(
    bench: CalibrationBench,
    start: tuple[Arm, Arm],
    efficiency: float = 1.0,
    sweep: Sequence[float] = SWEEP,
) -> NodeCalibration:
    """Calibrate from the settings `start`; `efficiency` of the detectors is taken as known.

    Raises `RangeError` if there is no light, an arm answers unlike a Mach-Zehnder, or fewer than 8
    voltages are swept.
    """
    require("voltages of the sweep", len(sweep), at_least=8)
    receiver = Calibration.from_sums(
        bench.spec, bench.settings, bench.vacuum(), bench.dark(), efficiency
    )
    rests = [arm.bias for arm in start]
    found, directions = [], []
    for number, name in enumerate("IQ"):
        points, errors = [], []
        for voltage in sweep:
            voltages = [*rests]
            voltages[number] = voltage
            point, error = _mean(bench, receiver, bench.held((voltages[0], voltages[1])))
            points.append(point)
            errors.append(error)
        arm, direction = _fit(name, np.array(sweep), np.array(points), errors[0], start[number])
        found.append(arm)
        directions.append(direction)
        rests[number] = arm.bias.value
    turn = float(np.angle(directions[1] / (1j * directions[0])))
    turned = float(np.sqrt(sum((arm.size.error / arm.size.value) ** 2 for arm in found)))
    partial = NodeCalibration(
        receiver,
        (found[0], found[1]),
        MeasuredValue(turn, turned),
        MeasuredValue(0.0, 0.0),
        MeasuredValue(0.0, 0.0),
        MeasuredValue(0.0, 0.0),
    )
    echo = bench.echo(partial.drive_arms())
    require("frames that came back", len(echo.delays), at_least=8)
    phases = np.unwrap(echo.phases)
    frames = np.arange(len(phases)) - (len(phases) - 1) / 2
    slope = float(frames @ phases / (frames @ frames))
    rest = phases - phases.mean() - slope * frames
    spread = float(np.sqrt(rest @ rest / (len(phases) - 2)))
    return replace(
        partial,
        delay=MeasuredValue(
            float(echo.delays.mean()), float(echo.delays.std(ddof=1) / np.sqrt(len(echo.delays)))
        ),
        phase=MeasuredValue(float(phases.mean()), spread / float(np.sqrt(len(phases)))),
        drift=MeasuredValue(slope, spread / float(np.sqrt(frames @ frames))),
    )


def _mean(bench: CalibrationBench, receiver: Calibration, sums: IntArray) -> tuple[complex, float]:
    """Mean of a held field in √SNU behind the matched filter, and the error of a quadrature."""
    line = np.asarray(sums, dtype=np.float64)[bench.spec.vacuum_word]
    count = line[COLUMN["count"]]
    require("count of symbols", count, at_least=2)
    unit = np.sqrt(receiver.shot_variance)
    mean = complex(line[COLUMN["x"]], line[COLUMN["p"]]) / count / unit
    return mean, float(np.sqrt(receiver.vacuum_variance / count) / unit)


def _fit(
    name: str, voltage: npt.NDArray[np.float64], field: npt.NDArray[np.complex128], error: float,
    start: Arm,
) -> tuple[ArmFound, complex]:  # fmt: skip
    """The arm that answers so, and the complex size of its field."""

    def shape(bias: float, half_wave: float, leak: float) -> npt.NDArray[np.complex128]:
        u = np.pi / 2 * (voltage - bias) / half_wave
        return np.stack([np.ones_like(u, dtype=complex), np.sin(u) - 1j * leak * np.cos(u)], axis=1)

    def rest(given: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        # Rest and size of the field enter linearly: solved for, not searched.
        basis = shape(float(given[0]), float(given[1]), float(given[2]))
        linear, *_ = np.linalg.lstsq(basis, field, rcond=None)
        left = (basis @ linear - field) / error
        return np.concatenate([left.real, left.imag])

    first = [start.bias, start.half_wave, 0.0]
    fit = least_squares(rest, first, x_scale=[0.1, 0.1, 0.1], method="lm")
    freedom = 2 * len(voltage) - 7
    noise = float(np.sqrt(2 * fit.cost / freedom))
    basis = shape(*(float(v) for v in fit.x))
    linear, *_ = np.linalg.lstsq(basis, field, rcond=None)
    size = complex(linear[1])
    if abs(size) < 10 * error:
        raise RangeError(
            f"arm {name} moves the field by {abs(size):g} √SNU; allowed: 10 times the error "
            f"{error:g} or more: is there light?"
        )
    if noise > WORST_FIT:
        raise RangeError(
            f"arm {name} misses a Mach-Zehnder's curve by {noise:g} standard errors; allowed: "
            f"[0, {WORST_FIT:g}]"
        )
    # Errors with the scatter that was found, where it is more than the noise.
    deviations = np.sqrt(np.diag(np.linalg.inv(fit.jac.T @ fit.jac))) * max(1.0, noise)
    bias, half_wave, leak = (
        MeasuredValue(float(v), float(e)) for v, e in zip(fit.x, deviations, strict=True)
    )
    spread = float(np.sqrt(np.sum(np.abs(basis[:, 1] - basis[:, 1].mean()) ** 2)))
    return ArmFound(bias, half_wave, leak, MeasuredValue(abs(size), error / spread)), size
