"""Everything between the DACs and the ADCs of both nodes, in the order in which light passes.

    server's codes → modulator → way out → client's optics → way back → server's detectors
                                               └→ client's detector (oscillator, phase shifter)

Each stage is streaming: the same samples give the same bits for any block size. `Optics.step` joins
the stages for a simulation in blocks; a simulation of whole batches calls the stages itself.

Impairments act within these stages, or add their own stages at a `Place` between them.

**Time.** All converters share one clock. The client holds the light for one frame, so its detector
sees a frame `delay_out` plus one frame after the server's DACs sent it, and the server's detectors
see it `delay_back` later. The phase shifter has a latency of `settle` frames: the code at the start
of a frame at the client's detector acts from the start of the frame that is `settle` frames later.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import to_float
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.models.drive.spec import Arm, DriveSpec
from shotveil.models.link.amplifier import require_gain
from shotveil.models.signal.frame import FrameLayout
from shotveil.models.waveform.client import ClientOptics
from shotveil.models.waveform.delay import Delay
from shotveil.models.waveform.detector import SampledDetector
from shotveil.models.waveform.impairment import Place
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.intruders import Intruder
from shotveil.models.waveform.mesh import Mesh
from shotveil.models.waveform.modulator import Modulator, true_arms
from shotveil.models.waveform.noise import Normals
from shotveil.models.waveform.phase import PhaseWalk
from shotveil.models.waveform.pulses import Pulses
from shotveil.models.waveform.stages import stage_at

Complex = NDArray[np.complex128]
Words = NDArray[np.int64]


@dataclass(frozen=True)
class OpticsSetup:
    """Parameters of the optics.

    gain: power gain of the client's amplifier.
    amplitude: √SNU of a sample at the server's output, at the modulator's largest field.
    mode: number of the row symbol whose place mode 1 takes at the client's detector.
    arms: the arms that the server's drive is set to.
    step: ADC steps per √SNU.
    span: codes of the phase shifter in one turn.
    settle: latency of the phase shifter, in frames.
    signal, oscillator: whether signal light and local oscillator are on; records switch them off.
    vacuum: whether there is quantum noise, see `ClientOptics`.

    Raises `RangeError` for a value out of range.
    """

    layout: FrameLayout
    gain: float
    amplitude: float
    mode: int
    impairments: Impairments = field(default_factory=Impairments)
    drive: DriveSpec = field(default_factory=DriveSpec)
    server: DigitiserSpec = field(default_factory=lambda: DigitiserSpec(quadratures=2))
    client: DigitiserSpec = field(default_factory=lambda: DigitiserSpec(quadratures=1))
    arms: tuple[Arm, Arm] = (Arm(), Arm())
    step: float = 256.0
    span: int = 1 << 13
    settle: int = 1
    signal: bool = True
    oscillator: bool = True
    vacuum: bool = True

    def __post_init__(self) -> None:
        require_gain(self.gain)
        require("amplitude", self.amplitude, at_least=0)
        require("step", self.step, above=0)
        require("settle", self.settle, at_least=1, at_most=1000, integer=True)

    @property
    def period(self) -> int:
        """Samples in a frame; the client holds the light that long."""
        return self.layout.length * self.drive.samples_per_symbol

    @property
    def to_client(self) -> int:
        """Delay, in samples, from a DAC code to its light at the client's ADC."""
        return self.impairments.delay_out + self.period

    @property
    def to_server(self) -> int:
        """Delay, in samples, from a DAC code to its light back at the server's ADCs."""
        return self.to_client + self.impairments.delay_back


class Optics:
    """The stages of one batch.

    Each stage has its own noise, seeded from `rng`, which does not depend on the other stages. An
    `intruder` acts on the light before the client's optics.
    """

    def __init__(
        self,
        setup: OpticsSetup,
        mesh: Mesh,
        rng: np.random.Generator,
        intruder: Intruder | None = None,
    ) -> None:
        self.setup = setup
        self.mesh = mesh
        s, drive, impaired = setup, setup.drive, setup.impairments
        per_symbol = drive.samples_per_symbol
        out, back, client, *others = rng.spawn(8)
        self._intruder, self._takes = intruder, Normals(others[4])
        self._modulator = Modulator(impaired, true_arms(impaired, s.arms))
        self._drive, self._modulated, self._sent, self._returned, self._seen = (
            stage_at(place, impaired, rng)
            for place in (
                Place.DRIVE, Place.MODULATED, Place.WAY_OUT, Place.WAY_BACK, Place.SERVER_DETECTOR,
            )
        )  # fmt: skip
        self._out_delay, self._back_delay = Delay(impaired.delay_out), Delay(impaired.delay_back)
        self._out_phase = PhaseWalk(
            impaired.linewidth, impaired.unmatched_out, impaired.drift_out, impaired.phase_out,
            per_symbol, out,
        )  # fmt: skip
        self._back_phase = PhaseWalk(
            impaired.linewidth, impaired.unmatched_back, impaired.drift_back,
            impaired.phase_back, per_symbol, back,
        )  # fmt: skip
        self._vacuum, self._server_white = (Normals(r) for r in others[:2])
        self.client = ClientOptics(
            s.layout, Pulses(s.layout.length, per_symbol, drive.taps, drive.rolloff),
            s.gain, s.mode, client, s.vacuum, impaired.loss_imbalance,
        )  # fmt: skip
        self._server_detector = SampledDetector(
            s.server, impaired.detector_bandwidth, impaired.server_electronic_noise, s.step,
            impaired.adc_offset, others[2],
        )  # fmt: skip
        seeds = others[3].bit_generator.seed_seq
        assert isinstance(seeds, np.random.SeedSequence)
        self._client_seeds = seeds
        self._homodyne = self.homodyne()
        self._hold = _Hold(s.period)
        self._oscillator = _ShifterHold(s)
        self._time = 0

    # Stages ---------------------------------------------------------------------------------

    def modulate(self, codes: Words) -> Complex:
        """The field (n,) after the modulator, as a fraction of the largest, from codes (2, n)."""
        voltage = self._drive(to_float(codes, self.setup.drive.dac))
        return self._modulated(self._modulator(voltage))

    def way_out(self, modulated: Complex) -> Complex:
        """Light (n,) at the client's input in √SNU, with its vacuum, from the field (n,)."""
        impaired = self.setup.impairments
        light = modulated * (self.setup.amplitude * math.sqrt(impaired.transmittance_out))
        if not self.setup.signal:
            light = np.zeros_like(light)
        light = self._sent(self._out_phase.turn(self._out_delay(light)))
        if self.setup.vacuum:
            light += self._vacuum.complex(len(light))
        return light

    def hold(self, light: Complex, starts: list[int]) -> tuple[Complex, Complex]:
        """Tapped output (n,) and returned light (n,) of the client's optics, one frame later.

        `starts` are the samples at which frames begin, counted from the first sample of all blocks.
        They may lie in this block or after it; an earlier one raises `RangeError`.
        """
        return self._hold(light, starts, self._client)

    def _client(self, frames: Complex) -> tuple[Complex, Complex]:
        if self._intruder is not None:
            frames = self._intruder.pass_on(frames, self._takes)
        return self.client.frames(frames, self.mesh)

    def homodyne(self) -> Homodyne:
        """A new detector of the client, before its first sample; each has the same noise."""
        seeds = self._client_seeds
        same = np.random.SeedSequence(seeds.entropy, spawn_key=seeds.spawn_key)
        return Homodyne(self.setup, self.client.white, np.random.default_rng(same))

    def way_back(self, returned: Complex) -> Words:
        """ADC words (2, n) of the server's two detectors, which share the light (n,) evenly."""
        impaired = self.setup.impairments
        share = impaired.server_efficiency / self.setup.server.quadratures
        light = self._back_delay(returned)
        variance = 1.0
        if self.setup.signal:
            light = self._returned(self._back_phase.turn(light))
            light = light * math.sqrt(share * impaired.transmittance_back)
            lost = 1 - impaired.transmittance_back + impaired.excess_noise
            variance = share * lost + 1 - share
        else:
            light = np.zeros_like(light)
        both = light.view(np.float64)
        both += _white(self.setup, self._server_white, len(both), variance)
        return self._server_detector(self._seen(both.reshape(-1, 2).T))

    # Blocks ---------------------------------------------------------------------------------

    def step(
        self, codes: Words, starts: list[int], shifter: NDArray[np.integer]
    ) -> tuple[Words, Words]:
        """ADC words of client (1, n) and server (2, n) for a block of `codes` (2, n).

        starts: samples at which frames begin in the codes, counted from the first of all blocks.
        shifter: the codes (n,) of the client's phase shifter during this block.
        Raises `RangeError` if n is more than a frame.
        """
        tapped, words = self.pass_on(codes, starts)
        return self.detect(tapped, starts, shifter), words

    def pass_on(self, codes: Words, starts: list[int]) -> tuple[Complex, Words]:
        """The part of `step` before the client's detector, for any n.

        Returns the detector's light (n,) and the server's words (2, n).
        """
        light = self.way_out(self.modulate(codes))
        delay = self.setup.impairments.delay_out
        tapped, returned = self.hold(light, [start + delay for start in starts])
        return tapped, self.way_back(returned)

    def detect(self, tapped: Complex, starts: list[int], shifter: NDArray[np.integer]) -> Words:
        """The rest of `step`: the client's words (1, n) from the light (n,) that `pass_on` gave.

        `starts` may contain later samples. Raises `RangeError` if n is more than a frame.
        """
        n = len(tapped)
        require("samples in a block", n, at_least=1, at_most=self.setup.period)
        at_detector = [start + self.setup.to_client for start in starts]
        shift = self._oscillator(self._time, n, at_detector, shifter)
        self._time += n
        return self._homodyne(tapped, shift)


class Homodyne:
    """The client's detector, which measures one quadrature of the tapped light; it is streaming.

    `white` is the variance (SNU) of the tapped output's own noise, see `ClientOptics.white`.
    """

    def __init__(self, setup: OpticsSetup, white: float, rng: np.random.Generator) -> None:
        self._setup = setup
        impaired = setup.impairments
        self._efficiency = impaired.client_efficiency if setup.signal else 0.0
        self._variance = self._efficiency * white + 1 - self._efficiency
        self._seen = stage_at(Place.CLIENT_DETECTOR, impaired, rng)
        noise, electronics = rng.spawn(2)
        self._white = Normals(noise)
        self._detector = SampledDetector(
            setup.client, impaired.detector_bandwidth, impaired.client_electronic_noise,
            setup.step, impaired.adc_offset, electronics,
        )  # fmt: skip

    def __call__(self, tapped: Complex, shift: NDArray[np.floating] | float) -> Words:
        """ADC words (1, n) from the tapped output (n,).

        `shift` is the phase in rad by which the oscillator is advanced: one number, or m numbers,
        each for an mth of the samples.
        """
        shifts = np.atleast_1d(shift)
        (changes,) = np.nonzero(np.concatenate([[True], shifts[1:] != shifts[:-1]]))
        turn = np.exp(1j * shifts[changes]) * math.sqrt(self._efficiency)
        each = len(tapped) // len(shifts)
        turn = np.repeat(turn, np.diff(np.concatenate([changes, [len(shifts)]])) * each)
        voltage = tapped.real * turn.real
        voltage += tapped.imag * turn.imag
        voltage += _white(self._setup, self._white, len(voltage), self._variance)
        return self._detector(self._seen(voltage[None]))


def _white(
    setup: OpticsSetup, normals: Normals, count: int, variance: float
) -> NDArray[np.float32] | float:
    """Vacuum noise (count,) of the given variance (SNU) at a detector, or 0 if there is none."""
    if not (setup.vacuum and setup.oscillator and variance > 0):
        return 0.0
    return normals.take(count) * np.float32(math.sqrt(variance))


class _Hold:
    """Cuts a stream into frames, applies a function to them, and returns all one period later."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._begin = -period  # number of the first sample held
        self._tapped = np.zeros(period, np.complex128)
        self._light = np.zeros(period, np.complex128)
        self._waiting: list[int] = []

    def __call__(
        self,
        light: Complex,
        starts: list[int],
        work: Callable[[Complex], tuple[Complex, Complex]],
    ) -> tuple[Complex, Complex]:
        n, period = len(light), self._period
        self._light = np.concatenate([self._light, light])
        self._tapped = np.concatenate([self._tapped, np.zeros(n, np.complex128)])
        self._waiting += starts
        end = self._begin + len(self._light)
        whole = [s for s in self._waiting if s + period <= end]
        self._waiting = self._waiting[len(whole) :]
        for first, count in _runs(whole, period):
            if first < self._begin:
                raise RangeError(f"frame start = {first} is in the past; allowed: announced ahead")
            part = slice(first - self._begin, first - self._begin + count * period)
            tapped, returned = work(self._light[part].reshape(count, period))
            self._tapped[part], self._light[part] = tapped.ravel(), returned.ravel()
        given = self._tapped[:n], self._light[:n]
        self._tapped, self._light = self._tapped[n:], self._light[n:]
        self._begin += n
        return given


def _runs(starts: list[int], period: int) -> list[tuple[int, int]]:
    """First start and number of frames of each run of frames without a gap."""
    runs: list[tuple[int, int]] = []
    for start in starts:
        if runs and start == runs[-1][0] + runs[-1][1] * period:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((start, 1))
    return runs


class _ShifterHold:
    """The oscillator's phase (rad) in each sample, from the phase shifter's earlier codes."""

    def __init__(self, setup: OpticsSetup) -> None:
        self._settle, self._unit = setup.settle * setup.period, 2 * math.pi / setup.span
        self._codes = np.zeros(self._settle + setup.period, np.int64)  # codes of the last samples
        self._starts: list[int] = []
        self._now = 0

    def __call__(
        self, time: int, n: int, starts: list[int], shifter: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        held = len(self._codes)
        self._starts += starts
        code = np.empty(n, np.int64)
        at = 0
        while self._starts and self._starts[0] < time + n:
            start = self._starts.pop(0)
            code[at : start - time] = self._now
            at = start - time
            self._now = int(self._codes[held + start - self._settle - time])
        code[at:] = self._now
        self._codes = np.concatenate([self._codes, shifter])[n:]
        return np.asarray(code * self._unit, np.float64)
