"""Calibration of the optics of a server's node, from measurements alone.

The calibration starts from settings that may be far off, and takes these steps in order:

1. **Records.** A vacuum record (local oscillator on, signal blocked) and a dark record (all light
   off) give the shot-noise unit and the electronic noise, through the same matched filter and scale
   as the signal.
2. **Modulator.** Each arm is swept over the DAC's range while the other stays constant. The
   returned field is that of a Mach-Zehnder modulator,

       z(V) = z₀ + c·(sin u − iγ·cos u),    u = π(V − bias)/(2·Vπ),

   with the leak γ of its finite extinction in quadrature to the rest. A fit gives bias, Vπ, γ and
   the complex c. The angle between the c of both arms tells how far I and Q are from 90°.
3. **Delay.** Frames are sent after a time without light, and the receiver tells how many samples
   later they come back.
4. **Phase.** The receiver tells the phase of the pilots and how fast it drifts.

The number of photons that leave the server has to be measured with a calibrated power meter behind
the modulator, since the returned light also depends on the loop's transmittance.
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
from shotveil.models.common.foreign import ForeignFile
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec
from shotveil.models.drive.spec import Arm

SWEEP = tuple(float(v) for v in np.linspace(-0.95, 0.95, 20))  # voltages over full scale
# A fit is refused if its residual exceeds the noise by this factor.
WORST_FIT = 3.0


@dataclass(frozen=True)
class Echo:
    """The frames that came back.

    delays: Samples from the first code of each frame to its light, with fractions, (frames,).
    phases: Phase of the pilots in each frame, in rad, (frames,).
    """

    delays: npt.NDArray[np.float64]
    phases: npt.NDArray[np.float64]


class CalibrationBench(Protocol):
    """The measurements that a calibration needs.

    Sums are session sums of the server's receiver, shape (words, 16).
    """

    @property
    def spec(self) -> DigitiserSpec:
        """The spec that the receiver is built from."""

    @property
    def settings(self) -> DigitiserSettings:
        """The receiver's settings."""

    def vacuum(self) -> IntArray:
        """Return the sums with the local oscillator on and the signal blocked."""

    def dark(self) -> IntArray:
        """Return the sums with all light off."""

    def held(self, voltages: tuple[float, float]) -> IntArray:
        """Return the sums while both arms are held at voltages over the DAC's full scale."""

    def echo(self, arms: tuple[Arm, Arm]) -> Echo:
        """Send frames of empty rows after a time without light; the drive is set to `arms`."""


@dataclass(frozen=True)
class MeasuredValue:
    """A value with its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class ArmFound:
    """The measured values of one arm of the modulator.

    bias: Voltage of the null, over the DAC's full scale.
    half_wave: Half-wave voltage Vπ, over the DAC's full scale.
    leak: Leak γ of the field, relative to the field's size.
    size: Size |c| of the arm's field.
    """

    bias: MeasuredValue
    half_wave: MeasuredValue
    leak: MeasuredValue
    size: MeasuredValue


@dataclass(frozen=True)
class NodeCalibration:
    """The result of a calibration, every value with its standard error.

    receiver: Calibration of the receiver.
    arms: The arms I and Q of the modulator.
    quadrature: Deviation of the angle between I and Q from 90°, in rad.
    delay: Delay of the light in samples.
    phase: Mean phase of the pilots in rad.
    drift: Drift of that phase in rad per frame.
    """

    receiver: Calibration
    arms: tuple[ArmFound, ArmFound]
    quadrature: MeasuredValue
    delay: MeasuredValue
    phase: MeasuredValue
    drift: MeasuredValue

    def drive_arms(self) -> tuple[Arm, Arm]:
        """Return the settings of the drive's arms; the stronger arm is reduced to the other."""
        i, q = self.arms
        weaker = min(i.size.value, q.size.value)
        first, second = (
            Arm(arm.half_wave.value, arm.bias.value, weaker / arm.size.value) for arm in (i, q)
        )
        return first, second

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def save(self, path: Path) -> None:
        """Write the calibration as JSON; after a crash the file is either whole or unchanged."""
        write_atomically(path, json.dumps(self.as_dict(), indent=2).encode())

    @classmethod
    def load(cls, path: Path) -> NodeCalibration:
        """Read what `save` wrote; raises `RangeError` for any other file."""
        try:
            given = ForeignFile("calibration", path).json()
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
        except RangeError as error:
            said = str(error).partition("; allowed")[0]
            raise RangeError(f"{said}; allowed: a file that a calibration wrote") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RangeError(
                f"calibration {path} cannot be read; allowed: a file that a calibration wrote"
            ) from None


def calibrate(
    bench: CalibrationBench,
    start: tuple[Arm, Arm],
    efficiency: float = 1.0,
    sweep: Sequence[float] = SWEEP,
) -> NodeCalibration:
    """Calibrate the server's optics with `bench`.

    start: First guess of both arms.
    efficiency: Efficiency of the detectors in (0, 1], which is taken as known.
    sweep: Voltages over the DAC's full scale, at least 8.

    Raises `RangeError` if there is no light, if an arm does not behave like a Mach-Zehnder
    modulator, or if fewer than 8 voltages are swept or frames come back.
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
    """Return the mean of a constant field after the matched filter, and a quadrature's error.

    Both are in √SNU.
    """
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
    """Fit one arm to a sweep; return the arm and the complex size c of its field."""

    def shape(bias: float, half_wave: float, leak: float) -> npt.NDArray[np.complex128]:
        u = np.pi / 2 * (voltage - bias) / half_wave
        return np.stack([np.ones_like(u, dtype=complex), np.sin(u) - 1j * leak * np.cos(u)], axis=1)

    def rest(given: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        # The model is linear in z₀ and c, so these are solved for and not searched.
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
    if not abs(float(fit.x[0])) < 1:
        raise RangeError(
            f"arm {name} has its null at {fit.x[0]:g} of the DAC's full scale; allowed: within "
            "(-1, 1): is there light?"
        )
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
    # Where the residual exceeds the noise, the errors are scaled up to match it.
    deviations = np.sqrt(np.diag(np.linalg.inv(fit.jac.T @ fit.jac))) * max(1.0, noise)
    bias, half_wave, leak = (
        MeasuredValue(float(v), float(e)) for v, e in zip(fit.x, deviations, strict=True)
    )
    spread = float(np.sqrt(np.sum(np.abs(basis[:, 1] - basis[:, 1].mean()) ** 2)))
    return ArmFound(bias, half_wave, leak, MeasuredValue(abs(size), error / spread)), size
