"""Calibration of a bench through its node, step by step, with a picture of each fit.

`host.devices.calibration` says what is measured and how. Here the node measures it, and somebody
sets the shutters: the device, if it has some, or the person at the bench.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from shotveil.host.console.probe_light import ProbeLight
from shotveil.host.devices.calibration import ArmFound, Echo, NodeCalibration, calibrate
from shotveil.host.verification.estimation import COLUMN
from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.spec import (
    DARK_RECORD,
    SIGNAL_RECORD,
    VACUUM_RECORD,
    DigitiserSettings,
    DigitiserSpec,
)
from shotveil.models.drive import chain as drive_chain
from shotveil.models.drive.spec import Arm, DriveSettings, registers
from shotveil.models.node.light import REFERENCE

RECORD_FRAMES = 600  # of vacuum and of dark
HELD_FRAMES = 12
ECHOES = 12
STILL = 0.9  # half-wave voltage of an arm that is only held

Shutters = Callable[[bool, bool, str], None]  # signal, oscillator, and what to tell a person
FloatArray = npt.NDArray[np.float64]


@runtime_checkable
class HasShutters(Protocol):
    """A device that can block its own light."""

    def shutter(self, *, signal: bool, oscillator: bool) -> None:
        """Let the light of the signal and of the local oscillator through, or block it."""


@dataclass(frozen=True)
class ArmPicture:
    """The sweep of one arm: voltages, what was measured, and the fit on a finer grid.

    Fields are along the direction of the arm's own field, in √SNU.
    """

    voltages: FloatArray
    measured: FloatArray
    grid: FloatArray
    fitted: FloatArray


@dataclass(eq=False)
class NodeBench:
    """A `host.devices.calibration.CalibrationBench` that measures through a node.

    `set_scale` comes first, since all records need one scale.

    shutters: Function that sets both shutters, and returns when that is done.
    step: Function that is told what is measured now.
    halt: Function that is called between two measurements, and raises to stop.
    """

    light: ProbeLight
    shutters: Shutters
    step: Callable[[str], None]
    halt: Callable[[], None]
    sweeps: list[tuple[tuple[float, float], IntArray]] = field(default_factory=list)

    @property
    def spec(self) -> DigitiserSpec:
        """The spec of the node's receiver."""
        return self.light.node.spec.digitiser

    @property
    def settings(self) -> DigitiserSettings:
        """The receiver's settings, with the scale that the last vacuum record asked for."""
        return self.light.digitiser()

    def set_scale(self) -> None:
        """Block the signal, and set the scale at which the vacuum's noise is well seen."""
        self.shutters(False, True, "Block the signal, and leave the local oscillator on.")
        self.step("vacuum")
        scale, step = self.spec.scale, float(self.light.node.capture().std())
        least = 2.0**scale.fraction / scale.highest
        if step < least:
            raise RangeError(
                f"vacuum moves the ADC by {step:.2g} steps (rms); allowed: {least:.0f} or more: "
                "is the local oscillator on?"
            )
        self.light.scale = max(round(2.0**scale.fraction / step), 1)

    def vacuum(self) -> IntArray:
        """Record with the signal blocked."""
        return self._blocked(VACUUM_RECORD)

    def dark(self) -> IntArray:
        """Record with all light off."""
        self.shutters(False, False, "Switch off all light, the local oscillator too.")
        self.step("dark")
        sums = self._blocked(DARK_RECORD)
        self.shutters(True, True, "Let all light through again.")
        return sums

    def held(self, voltages: tuple[float, float]) -> IntArray:
        """Hold both arms at voltages over the DAC's full scale."""
        self.halt()
        self.step(f"modulator, voltage {voltages[0]:+.2f} and {voltages[1]:+.2f}")
        still, other = (Arm(half_wave=STILL, bias=v) for v in voltages)
        # In a vacuum record the receiver would measure the mean, which is wanted, and subtract it.
        sums = self._free(DARK_RECORD, HELD_FRAMES, (still, other))
        out = sums.copy()
        out[self.spec.vacuum_word] = sums[self.spec.dark_word]
        self.sweeps.append((voltages, out))
        return out

    def echo(self, arms: tuple[Arm, Arm]) -> Echo:
        """Send single frames, and find each in a raw record of its own."""
        node, spec = self.light.node, self.light.node.spec
        layout = self.light.layout
        delays, phases = [], []
        for number in range(ECHOES):
            self.halt()
            self.step(f"delay and phase, frame {number + 1} of {ECHOES}")
            settings = DriveSettings(layout=layout, scale=0.3, reference=REFERENCE, arms=arms)
            node.configure(settings, replace(self.settings, record=SIGNAL_RECORD), lead_in=0)
            high = spec.drive.symbol.highest
            rows = self.light.rng.integers(-high, high + 1, (1, 2, layout.row))
            samples = node.play(rows, capture=True).samples
            assert samples is not None
            raw = registers(spec.drive, settings)
            sent = drive_chain.model(spec.drive, raw, rows).codes[0].astype(np.float64)
            delay, phase = _echo(sent[0] + 1j * sent[1], samples)
            delays.append(delay)
            phases.append(phase)
        return Echo(np.array(delays), np.array(phases))

    def _blocked(self, kind: int) -> IntArray:
        return self._free(kind, RECORD_FRAMES, (Arm(), Arm()))

    def _free(self, kind: int, frames: int, arms: tuple[Arm, Arm]) -> IntArray:
        """Return the sums while frames start by the clock alone, and the drive sends nothing."""
        node, layout = self.light.node, self.light.layout
        node.configure(
            DriveSettings(layout=layout, scale=0.0, reference=0.0, arms=arms),
            replace(self.settings, record=kind, free_run=1),
        )
        rows = np.zeros((frames, 2, layout.row), np.int64)
        batch = node.play(rows, lambda _: self.halt())
        if batch.refusals:
            raise RangeError(f"the node stopped early: {', '.join(batch.refusals)}")
        return batch.session


def _echo(sent: npt.NDArray[np.complex128], samples: IntArray) -> tuple[float, float]:
    """Return the delay in samples, with its fraction, and the phase in rad of a known frame."""
    came = samples[0] + (1j * samples[1] if len(samples) == 2 else 0)
    sent, came = sent - sent.mean(), came - came.mean()
    size = 1 << (len(sent) + len(came) - 1).bit_length()
    match = np.fft.ifft(np.fft.fft(came, size) * np.fft.fft(sent, size).conj())
    peaks = np.abs(match[: len(came)])
    top = int(np.argmax(peaks))
    if not peaks[top] > 10 * np.sqrt(np.mean(peaks**2)) or not 0 < top < len(came) - 1:
        raise RangeError("no light of the node came back within a raw record")
    before, at, after = peaks[top - 1 : top + 2]
    fraction = (before - after) / (2 * (before - 2 * at + after))
    return top + float(fraction), float(np.angle(match[top]))


def run(
    light: ProbeLight,
    shutters: Shutters,
    step: Callable[[str], None],
    halt: Callable[[], None],
) -> tuple[NodeCalibration, tuple[ArmPicture, ArmPicture], ProbeLight]:
    """Calibrate a server's bench; return what was found, both pictures, and light that uses it.

    Raises `RangeError`, which says what is wrong, where a fit fails, and for a client's node.
    """
    if light.node.spec.role != "server":
        raise RangeError("this is a client's node; allowed: a server's, whose modulator is swept")
    light = replace(light, receiver=None, overrides={})
    bench = NodeBench(light, shutters, step, halt)
    bench.set_scale()
    found = calibrate(bench, (Arm(), Arm()), light.settings.efficiency)
    pictures = tuple(
        _picture(bench, number, arm, found) for number, arm in zip((0, 1), found.arms, strict=True)
    )
    used = replace(
        light,
        receiver=found.receiver,
        arms=found.drive_arms(),
        delay=None,
        scale=found.receiver.scale[0],
    )
    return found, (pictures[0], pictures[1]), used


def _picture(bench: NodeBench, number: int, arm: ArmFound, found: NodeCalibration) -> ArmPicture:
    half = len(bench.sweeps) // 2
    part = bench.sweeps[number * half : (number + 1) * half]
    voltages = np.array([pair[number] for pair, _ in part])
    points = []
    for _, sums in part:
        line = np.asarray(sums, dtype=np.float64)[bench.spec.vacuum_word]
        mean = complex(line[COLUMN["x"]], line[COLUMN["p"]]) / line[COLUMN["count"]]
        points.append(mean / np.sqrt(found.receiver.shot_variance))
    field = np.array(points)

    def basis(v: FloatArray) -> npt.NDArray[np.complex128]:
        u = np.pi / 2 * (v - arm.bias.value) / arm.half_wave.value
        return np.stack([np.ones_like(u) + 0j, np.sin(u) - 1j * arm.leak.value * np.cos(u)], axis=1)

    linear, *_ = np.linalg.lstsq(basis(voltages), field, rcond=None)
    turn = np.conj(linear[1]) / abs(linear[1])
    grid = np.linspace(voltages.min(), voltages.max(), 101)
    return ArmPicture(
        voltages,
        np.real((field - linear[0]) * turn),
        grid,
        np.real((basis(grid) @ linear - linear[0]) * turn),
    )


def in_words(found: NodeCalibration) -> dict[str, Any]:
    """Return what a calibration found, as rows of a table, and a verdict on it in words."""
    receiver = found.receiver
    clearance = 10 * np.log10(1 + receiver.shot_variance / receiver.dark_variance)
    rows: list[list[str]] = [
        ["shot-noise unit", f"known to {receiver.shot_error:.2%}"],
        ["clearance over electronic noise", f"{clearance:.1f} dB"],
    ]
    for name, arm in zip("IQ", found.arms, strict=True):
        rows += [
            [f"arm {name}: null", _with_error(arm.bias, "of full scale")],
            [f"arm {name}: Vπ", _with_error(arm.half_wave, "of full scale")],
            [f"arm {name}: leak", _with_error(arm.leak, "of the field")],
        ]
    rows += [
        ["I and Q, from 90°", _with_error(found.quadrature, "rad")],
        ["delay of the light", _with_error(found.delay, "samples")],
    ]
    warnings = []
    if clearance < 10:
        warnings.append(
            f"the clearance of {clearance:.1f} dB is below 10 dB: more oscillator light, or "
            "quieter detectors, are needed"
        )
    if receiver.shot_error > 0.005:
        warnings.append("the shot-noise unit is known too coarsely: take longer records")
    if abs(found.quadrature.value) > 0.02:
        warnings.append("I and Q are more than 20 mrad from 90°: set the modulator's third bias")
    verdict = "The bench is calibrated. " + (
        "Beware: " + "; ".join(warnings) + "." if warnings else "Every fit agrees with its data."
    )
    return {"rows": rows, "verdict": verdict, "good": not warnings}


def _with_error(value: Any, unit: str) -> str:
    return f"{value.value:.5g} ± {value.error:.2g} {unit}"
