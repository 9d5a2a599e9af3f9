"""Everything between the DACs and the ADCs of both nodes, in the order in which light passes it.

    server's codes → modulator → way out → client's optics → way back → server's detectors
                                               └→ client's detector (oscillator, phase shifter)

Each stage is streaming: given the same samples it gives the same bits, in whatever blocks they
come. `Optics.step` joins them for a simulation in blocks; a simulation of whole batches calls the
stages.

Impairments act within these stages, or add stages of their own at a `Place` between them.

**Time.** All converters share one clock. The client holds the light for one frame, so its detector
sees a frame `delay_out` plus one frame after the server's DACs sent it, and the server's detectors
see it `delay_back` later. The phase shifter takes `settle` frames: what it holds when a frame
starts at the client's detector acts from the start of the frame that many later.
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
    """What the optics are built around.

    amplitude: √SNU of a sample at the modulator's largest field, at the server's output.
    arms: what the server's drive is set to.
    step: ADC steps per √SNU.
    span: codes of the phase shifter in a turn; settle: frames that it takes.
    signal, oscillator: whether either is on, for records.
    vacuum: see `ClientOptics`.
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
        require("gain", self.gain, above=1)
        require("amplitude", self.amplitude, at_least=0)
        require("step", self.step, above=0)
        require("settle", self.settle, at_least=1, at_most=1000, integer=True)

    @property
    def period(self) -> int:
        """Samples of a frame: also how long the client holds the light."""
        return self.layout.length * self.drive.samples_per_symbol

    @property
    def to_client(self) -> int:
        """Samples from a DAC code to its light at the client's ADC."""
        return self.impairments.delay_out + self.period

    @property
    def to_server(self) -> int:
        """Samples from a DAC code to its light back at the server's ADCs."""
        return self.to_client + self.impairments.delay_back


class Optics:
    """The stages of one batch. Noise comes from `rng`, a stage's own whatever the others do.

    An `intruder` sits in front of the client's optics.
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
            s.gain, s.mode, client, s.vacuum,
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
        """The field behind the modulator (n,), fraction of its largest, from codes (2, n)."""
        voltage = self._drive(to_float(codes, self.setup.drive.dac))
        return self._modulated(self._modulator(voltage))

    def way_out(self, modulated: Complex) -> Complex:
        """Light at the client's input (n,), √SNU, vacuum included."""
        impaired = self.setup.impairments
        light = modulated * (self.setup.amplitude * math.sqrt(impaired.transmittance_out))
        if not self.setup.signal:
            light = np.zeros_like(light)
        light = self._sent(self._out_phase.turn(self._out_delay(light)))
        if self.setup.vacuum:
            light += self._vacuum.complex(len(light))
        return light

    def hold(self, light: Complex, starts: list[int]) -> tuple[Complex, Complex]:
        """Through the client's optics, one frame later: tapped output and what returns, (n,) each.

        `starts` are samples of this stream, counted from the very first, at which frames begin;
        they may lie in this block or after it.
        """
        return self._hold(light, starts, self._client)

    def _client(self, frames: Complex) -> tuple[Complex, Complex]:
        if self._intruder is not None:
            frames = self._intruder.pass_on(frames, self._takes)
        return self.client.frames(frames, self.mesh)

    def homodyne(self) -> Homodyne:
        """The client's detector, from its first sample on, with the same noise each time."""
        seeds = self._client_seeds
        same = np.random.SeedSequence(seeds.entropy, spawn_key=seeds.spawn_key)
        return Homodyne(self.setup, self.client.white, np.random.default_rng(same))

    def way_back(self, returned: Complex) -> Words:
        """ADC words (2, n) of the server's two detectors, which share the light evenly."""
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
        """ADC words of client (1, n) and server (2, n) for a block of n samples.

        `starts`: samples, counted from the first of all blocks, at which frames begin in the codes.
        `shifter`, shape (n,): the client's codes during this block. n is at most a frame.
        """
        tapped, words = self.pass_on(codes, starts)
        return self.detect(tapped, starts, shifter), words

    def pass_on(self, codes: Words, starts: list[int]) -> tuple[Complex, Words]:
        """The part of `step` up to the client's detector, for any n: its light (n,) and the
        server's words (2, n)."""
        light = self.way_out(self.modulate(codes))
        delay = self.setup.impairments.delay_out
        tapped, returned = self.hold(light, [start + delay for start in starts])
        return tapped, self.way_back(returned)

    def detect(self, tapped: Complex, starts: list[int], shifter: NDArray[np.integer]) -> Words:
        """The rest: the client's words (1, n) from what `pass_on` gave (n,). `starts` may be of
        later samples than those."""
        n = len(tapped)
        require("samples in a block", n, at_least=1, at_most=self.setup.period)
        at_detector = [start + self.setup.to_client for start in starts]
        shift = self._oscillator(self._time, n, at_detector, shifter)
        self._time += n
        return self._homodyne(tapped, shift)


class Homodyne:
    """The client's detector: one quadrature of what its tap gives it; streaming.

    `white` is the variance of the tapped output's own noise, see `ClientOptics.white`.
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
        """ADC words (1, n) from the tapped output (n,), the oscillator advanced by `shift` (rad;
        one number, or m of them, each for an mth of the samples)."""
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
    """Vacuum of the given variance at a detector."""
    if not (setup.vacuum and setup.oscillator and variance > 0):
        return 0.0
    return normals.take(count) * np.float32(math.sqrt(variance))


class _Hold:
    """Cuts a stream into frames, has them worked on, and gives all back one period later."""

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
    """First start and number of frames of each gapless run."""
    runs: list[tuple[int, int]] = []
    for start in starts:
        if runs and start == runs[-1][0] + runs[-1][1] * period:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((start, 1))
    return runs


class _ShifterHold:
    """The oscillator's phase in each sample, from the codes of blocks that came before."""

    def __init__(self, setup: OpticsSetup) -> None:
        self._settle, self._unit = setup.settle * setup.period, 2 * math.pi / setup.span
        self._codes = np.zeros(self._settle + setup.period, np.int64)  # of the last samples
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
