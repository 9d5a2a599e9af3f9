"""The client's phase lock in a batch: its own phase shifter acts on what it measures.

The phase of frame k moves the shifter for frame k + `lag`, so the detector's samples of a frame
depend on earlier frames only. The loop is therefore run first on preambles and pilots alone, `lag`
frames at a time, and then the whole receiver on the resulting samples. If the receiver finds the
same frames and phases, the result is the closed loop to the bit. Otherwise the receiver's timing
was not that of frames that follow each other, each with its preamble where it is expected, and the
pilots are run again with the timing that the receiver found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser import (
    chain,
    correlator,
    entry,
    matched,
    normalisation,
    phase,
    phase_lock,
    timing,
)
from shotveil.models.digitiser.chain import Received, plan
from shotveil.models.digitiser.correlator import Correlation
from shotveil.models.digitiser.spec import PILOT, PREAMBLE, VACUUM, DigitiserSettings, DigitiserSpec
from shotveil.models.digitiser.timing import Frame, Peak
from shotveil.models.waveform.optics import Complex, Optics

DECISION = 2  # frames from a phase to the shifter's code, known in the next, read at its end
# Samples on either side of a preamble's expected peak: the peak may be shifted a little.
AROUND = timing.HOLD + 4


@dataclass(frozen=True, eq=False)
class Locked:
    """What the client received: the shifter's `codes` (frames,) in each frame, and its lock."""

    received: Received
    words: IntArray
    codes: IntArray
    locked: bool


def margin(spec: DigitiserSpec) -> int:
    """Samples behind the last frame, in which the receiver finishes it and expects no other yet."""
    return spec.delay + spec.samples_per_symbol * PREAMBLE - 6


def receive(
    optics: Optics,
    tapped: Complex,
    arrivals: list[int],
    settings: DigitiserSettings,
    lock: phase_lock.PhaseLockSettings,
    offset: tuple[int, ...] | None = None,
) -> Locked:
    """Receive gapless frames that arrive at the given samples of `tapped`, shape (n,).

    Raises `RangeError` if receiver and loop do not agree in the end, for example without light.
    """
    spec = optics.setup.client
    silence = np.zeros((2, len(arrivals) * settings.layout.row), np.int64)
    ahead = settings.samples_per_symbol * settings.layout.preamble
    lag = optics.setup.settle + DECISION
    tapped = tapped[: arrivals[-1] + settings.period + margin(spec)]
    timed: list[Frame] | None = None
    # Timing depends on earlier light only, so each attempt is right for at least one frame more
    # than the one before.
    for _ in arrivals:
        words, codes, used = _run(optics, tapped, arrivals, settings, lock, offset, timed)
        received = chain.model(spec, settings, words, silence, offset)
        first = index_of(received.frames, arrivals, ahead)
        if first is None:
            raise RangeError("client's receiver found no frame, or not all that followed")
        if received.frames == used[first:]:
            after, locked = _codes(optics, lock, received, first, len(arrivals))
            expected = np.concatenate([np.zeros(lag, np.int64), after])[: len(arrivals)]
            if np.array_equal(expected, codes):
                return Locked(received, words, codes, locked)
            break
        timed = used[:first] + received.frames
    raise RangeError(f"client's phase lock and receiver disagree over {len(arrivals)} frames")


def index_of(frames: list[Frame], arrivals: list[int], ahead: int) -> int | None:
    """Which frame that arrived is the first one received; None unless all others follow it."""
    if not frames:
        return None
    period = arrivals[1] - arrivals[0]
    first = round((frames[0].start - ahead - arrivals[0]) / period)
    if len(frames) != len(arrivals) - first:
        return None
    return first


def _codes(
    optics: Optics, lock: phase_lock.PhaseLockSettings, received: Received, first: int, count: int
) -> tuple[IntArray, bool]:
    """The shifter's code after each of `count` frames, and whether the loop ended locked."""
    out = np.zeros(count, np.int64)
    state, code, locked = phase_lock.PhaseLockState(), 0, False
    phases = received.phases
    for at, (angle, bad) in enumerate(zip(phases.angle.tolist(), phases.bad.tolist(), strict=True)):
        taken = phase_lock.step(optics.setup.client, lock, state, angle, bad)
        if taken is not None:
            code, locked = taken
        out[first + at] = code
    return out, locked


class _Search:
    """Finds the timing of gapless frames, as samples come, from those around each preamble's end.

    Arrivals only say where to look. The result is the same as the receiver's, as long as nothing
    else looks like a preamble.
    """

    def __init__(
        self, spec: DigitiserSpec, settings: DigitiserSettings, arrivals: list[int]
    ) -> None:
        self._spec, self._settings = spec, settings
        ahead = settings.samples_per_symbol * settings.layout.preamble
        self._begin = np.array(arrivals) + (ahead - timing.start(spec) - AROUND)
        self._silent = [Frame(start + ahead, spec.fractions // 2, True) for start in arrivals]
        self._samples = np.arange(-correlator.reach(spec), 2 * AROUND + 1)
        self._lock: timing.Lock | None = None

    def frames(self, words: IntArray, group: slice) -> list[Frame]:
        """The next frames, from words (n,) that reach to their end; lost ones without a lock."""
        begin = self._begin[group]
        given = words[begin[:, None] + self._samples].reshape(1, -1)
        samples, _ = entry.model(self._spec, given, self._settings.offset_binary)
        # Preambles follow each other; places where one would overlap the last are left out.
        found = correlator.model(self._spec, samples, self._settings.minimum)
        power, hit = (
            v.reshape(len(begin), -1)[:, correlator.reach(self._spec) :]
            for v in (found.power, found.hit)
        )
        return [
            self._frame([replace(p, position=p.position + at) for p in timing.peaks(c)]) or silent
            for at, c, silent in zip(
                begin.tolist(), map(Correlation, power, hit), self._silent[group], strict=True
            )
        ]

    def _frame(self, peaks: list[Peak]) -> Frame | None:
        if self._lock is None:
            if peaks:
                best = max(peaks, key=lambda peak: peak.power)
                self._lock = timing.Lock.on(best)
            return None
        self._lock.wait(self._settings.period)
        near = [p for p in peaks if abs(self._lock.distance(p)) <= timing.TOLERANCE]
        frame = self._lock.step(self._spec, self._settings, near[0] if near else None)
        if frame is None:
            self._lock = None
        return frame


def _run(
    optics: Optics,
    tapped: Complex,
    arrivals: list[int],
    settings: DigitiserSettings,
    lock: phase_lock.PhaseLockSettings,
    offset: tuple[int, ...] | None,
    timed: list[Frame] | None,
) -> tuple[IntArray, IntArray, list[Frame]]:
    """Run the loop on the pilots.

    Returns the detector's words (1, n), the shifter's code in each frame, and the timing that was
    used: the given one, or the one that was found on the way.
    """
    spec = optics.setup.client
    steps = plan(settings)
    (kept,) = np.nonzero((steps.kind == PILOT) | (steps.kind == VACUUM))
    lag = optics.setup.settle + DECISION
    vacuum = np.tile(steps.kind[kept] == VACUUM, lag)
    pilot = np.tile(steps.pilot[kept], lag)
    last = np.tile(np.arange(len(kept)) == len(kept) - 1, lag)
    windows = spec.samples_per_symbol * kept[:, None] + np.arange(spec.taps)
    taps = spec.coefficients()
    offsets = normalisation.NormalisationState.reset(spec)
    if offset is not None:
        offsets = normalisation.NormalisationState(
            list(offset), (1 << normalisation.COUNT_BITS) - 1
        )

    detector = optics.homodyne()
    words = np.zeros((1, len(tapped)), np.int64)
    words[:, : arrivals[0]] = detector(tapped[: arrivals[0]], 0.0)
    period = arrivals[1] - arrivals[0]
    after = np.zeros(len(arrivals), np.int64)
    codes = np.zeros(len(arrivals), np.int64)
    search = _Search(spec, settings, arrivals)
    used: list[Frame] = []
    state, code = phase_lock.PhaseLockState(), 0
    unit = 2 * math.pi / lock.span
    for first in range(0, len(arrivals), lag):
        group = slice(first, min(first + lag, len(arrivals)))
        count = group.stop - first
        if first:
            codes[group] = after[first - lag : group.stop - lag]
        part = slice(arrivals[first], arrivals[first] + count * period)
        words[:, part] = detector(tapped[part], codes[group] * unit)
        used += search.frames(words[0], group) if timed is None else timed[group]
        # The very first frame only starts the receiver.
        use = [k for k in range(first, group.stop) if k]
        frames = [used[k] for k in use]
        where = np.array([f.start for f in frames])[:, None, None] + windows
        picked, _ = entry.model(spec, words[0, where], settings.offset_binary)
        coefficients = taps[[f.fraction for f in frames]]
        filtered = matched.model(spec, picked, coefficients[:, :, None])[..., 0]
        good = np.repeat([not f.lost for f in frames], len(kept))
        whole = slice(filtered.size)
        value, _ = normalisation.model(
            spec, settings, offsets, filtered.reshape(1, -1), vacuum[whole], good
        )
        _, _, phases = phase.model(
            spec, settings, phase.PhaseState(), value, pilot[whole], good, last[whole]
        )
        for k, angle in zip(use, phases.angle.tolist(), strict=True):
            taken = phase_lock.step(spec, lock, state, angle, used[k].lost)
            code = taken[0] if taken is not None else code
            after[k] = code
    rest = slice(arrivals[-1] + period, None)
    words[:, rest] = detector(tapped[rest], codes[-1] * unit)
    return words, codes, used
