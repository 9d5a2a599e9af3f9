"""The optics as a calibration sees them: nodes that play, and a modulator with unknown values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shotveil.host.devices.calibration import Echo, NodeCalibration, calibrate
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser import chain
from shotveil.models.digitiser.spec import (
    DARK_RECORD,
    VACUUM_RECORD,
    DigitiserSettings,
    DigitiserSpec,
)
from shotveil.models.drive import chain as drive_chain
from shotveil.models.drive.spec import Arm, DriveSettings, registers
from shotveil.models.waveform.mesh import Mesh
from shotveil.models.waveform.modulator import true_arms
from shotveil.models.waveform.optics import Optics, OpticsSetup
from shotveil.sim.loop.client_lock import index_of, margin
from shotveil.sim.loop.session import record
from shotveil.sim.loop.settings import LayerLight, LoopSettings

ECHO_FRAMES = 64


@dataclass(eq=False)
class ModelBench:
    """A bench on the bit-true models; `light` is the brightness, `frames` a record's length."""

    loop: LoopSettings
    light: LayerLight
    frames: int = 400
    held_frames: int = 12

    def __post_init__(self) -> None:
        self._seeds = np.random.default_rng([self.loop.seed, 6])
        # The modulator keeps its true values, whatever the drive is set to.
        impairments = self.loop.impairments.without("bias_error", "half_wave_error", "imbalance")
        arms = true_arms(self.loop.impairments, self.loop.arms)
        self._setup = replace(self.light.setup, impairments=impairments, arms=arms)

    @property
    def spec(self) -> DigitiserSpec:
        return self.loop.server

    @property
    def settings(self) -> DigitiserSettings:
        return self.light.server

    def vacuum(self) -> IntArray:
        return self._blocked(replace(self._setup, signal=False), VACUUM_RECORD)

    def dark(self) -> IntArray:
        return self._blocked(replace(self._setup, signal=False, oscillator=False), DARK_RECORD)

    def held(self, voltages: tuple[float, float]) -> IntArray:
        still, other = (Arm(half_wave=0.9, bias=v) for v in voltages)
        codes = self._codes((still, other), 0.0, 1)
        optics = self._optics(self._setup)
        words = []
        for _ in range(self.held_frames + 2):
            light = optics.way_out(optics.modulate(codes))
            words.append(optics.way_back(optics.hold(light, [])[1]))
        # The first frames still contain what was in the loop before. The record is a dark one,
        # since in a vacuum record the receiver would measure the mean and subtract it.
        settings = replace(self.settings, record=DARK_RECORD, free_run=1)
        sums = record(self.spec, settings, np.concatenate(words[2:], axis=1)).sums.session
        return _as_vacuum(self.spec, sums)

    def echo(self, arms: tuple[Arm, Arm]) -> Echo:
        codes = self._codes(arms, self.loop.reference, ECHO_FRAMES)
        period = self._setup.period
        null = np.repeat(codes[:, -1:], 2 * period + self._setup.to_server, axis=1)
        optics = self._optics(self._setup)
        delay = self._setup.impairments.delay_out
        light = optics.way_out(optics.modulate(np.concatenate([codes, null], axis=1)))
        _, returned = optics.hold(light, [k * period + delay for k in range(ECHO_FRAMES)])
        words = optics.way_back(returned)
        settings = self.settings
        ahead = settings.samples_per_symbol * settings.layout.preamble
        # The first frame only starts the receiver; what follows the last frame has no preamble.
        whole = chain.model(self.spec, settings, words, np.zeros((2, 2 * codes.shape[1]), np.int64))
        first = whole.frames[0].start - ahead - period
        arrivals = [first + k * period for k in range(ECHO_FRAMES)]
        words = words[:, : arrivals[-1] + period + margin(self.spec)]
        got = chain.model(self.spec, settings, words, np.zeros((2, 2 * codes.shape[1]), np.int64))
        assert index_of(got.frames, arrivals, ahead) == 1
        half = self.spec.fractions // 2
        sent = period * np.arange(1, ECHO_FRAMES)
        starts = np.array([f.start + (f.fraction - half) / self.spec.fractions for f in got.frames])
        pilots = settings.layout.groups * settings.layout.pilots
        angles = got.phases.angle.reshape(-1, pilots)[:, -1]
        turn = 2 * np.pi / 2.0**self.spec.phase_bits
        settled = ECHO_FRAMES // 2
        return Echo(
            np.asarray(starts - ahead - sent, np.float64)[settled:],
            np.asarray(angles * turn, np.float64)[settled:],
        )

    def _codes(self, arms: tuple[Arm, Arm], reference: float, frames: int) -> IntArray:
        """The codes that the drive sends for empty rows, shape (2, samples)."""
        layout = self.settings.layout
        raw = registers(
            self.loop.drive, DriveSettings(layout=layout, reference=reference, arms=arms)
        )
        rows = np.zeros((frames, 2, layout.row), np.int64)
        codes = drive_chain.model(self.loop.drive, raw, rows).codes
        return np.ascontiguousarray(codes.transpose(1, 0, 2).reshape(2, -1))

    def _blocked(self, setup: OpticsSetup, kind: int) -> IntArray:
        optics = self._optics(setup)
        dark = np.zeros(setup.period, np.complex128)
        words = np.concatenate([optics.way_back(dark) for _ in range(self.frames)], axis=1)
        return record(
            self.spec, replace(self.settings, record=kind, free_run=1), words
        ).sums.session

    def _optics(self, setup: OpticsSetup) -> Optics:
        straight = np.zeros((2, setup.layout.row))
        (child,) = self._seeds.spawn(1)
        return Optics(setup, Mesh(straight, straight), child)


def calibrated(
    settings: LoopSettings, light: LayerLight, start: tuple[Arm, Arm]
) -> tuple[LoopSettings, NodeCalibration]:
    """Settings with the drive as a calibration from `start` leaves it, and what that found.

    The modulator stays as it is. Only the settings of the drive change, and with them the errors
    that remain.
    """
    found = calibrate(ModelBench(settings, light), start, settings.impairments.server_efficiency)
    arms = found.drive_arms()
    true = true_arms(settings.impairments, settings.arms)
    # A common factor of both arms is the strength of the light, which the attenuator sets.
    sizes = [arm.gain / one.gain for one, arm in zip(true, arms, strict=True)]
    mean = float(np.mean(sizes))
    (i, set_i), (q, set_q) = zip(true, arms, strict=True)
    impairments = replace(
        settings.impairments,
        bias_error=(i.bias - set_i.bias, q.bias - set_q.bias),
        half_wave_error=(i.half_wave / set_i.half_wave - 1, q.half_wave / set_q.half_wave - 1),
        imbalance=(sizes[0] / mean - 1, sizes[1] / mean - 1),
    )
    return replace(settings, arms=arms, impairments=impairments), found


def _as_vacuum(spec: DigitiserSpec, sums: IntArray) -> IntArray:
    """The sums of a dark record, put in the place of those of a vacuum record."""
    out = sums.copy()
    out[spec.vacuum_word] = sums[spec.dark_word]
    return out
