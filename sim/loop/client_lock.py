"""The client's phase lock in a batch: its own phase shifter acts on what it measures.

Frame k's phase moves the shifter for frame k + `lag`: the detector's samples of a frame depend on
earlier frames only. So the loop is run on the pilots alone, `lag` frames at a time, and then the
whole receiver on the samples that came of it. If the receiver's own phases give the same shifter
codes, what was computed is the loop, to the bit; otherwise timing was guessed wrong, and the pilots
are run again with the timing that the receiver found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.checks import RangeError
from models.digitiser import (
    chain,
    correlator,
    entry,
    matched,
    normalisation,
    phase,
    phase_lock,
    timing,
)
from models.digitiser.chain import Received, plan
from models.digitiser.spec import PILOT, VACUUM, DigitiserSettings
from models.digitiser.timing import Frame
from models.fixedpoint import IntArray
from models.waveform.optics import Complex, Optics

DECISION = 2  # frames from a phase to the shifter's code: known in the next, read at its end
# Samples behind the last frame: the receiver finishes it, and does not yet expect another.
MARGIN = 250


@dataclass(frozen=True, eq=False)
class Locked:
    """The client's reception: `codes` of the shifter (frames,) as each frame met it, and lock."""

    received: Received
    words: IntArray
    codes: IntArray
    locked: bool


def receive(
    optics: Optics,
    tapped: Complex,
    arrivals: list[int],
    settings: DigitiserSettings,
    lock: phase_lock.LoopSettings,
    offset: tuple[int, ...] | None = None,
) -> Locked:
    """Receive gapless frames that arrive at the given samples of `tapped`, shape (n,).

    Raises `RangeError` if receiver and loop do not come to agree, as without light.
    """
    spec = optics.setup.client
    silence = np.zeros((2, len(arrivals) * settings.layout.row), np.int64)
    ahead = 4 * settings.layout.preamble
    lag = optics.setup.settle + DECISION
    guess = [Frame(start + ahead, spec.fractions // 2, False) for start in arrivals]
    tapped = tapped[: arrivals[-1] + settings.period + MARGIN]
    # Timing comes of light that was there before, so each attempt is right for one frame more than
    # the last, at least; two or three do unless the timing lies between two steps of its fraction.
    for _ in arrivals:
        words, codes = _run(optics, tapped, arrivals, settings, lock, offset, guess)
        samples, _ = entry.model(spec, words, settings.offset_binary)
        found = timing.model(spec, settings, correlator.model(spec, samples, settings.minimum))
        first = index_of(found, arrivals, ahead)
        if first is None:
            raise RangeError("client's receiver found no frame, or not all that followed")
        if found == guess[first:]:
            received = chain.model(spec, settings, words, silence, offset)
            after, locked = _codes(optics, lock, received, first, len(arrivals))
            expected = np.concatenate([np.zeros(lag, np.int64), after])[: len(arrivals)]
            if np.array_equal(expected, codes):
                return Locked(received, words, codes, locked)
        guess = guess[:first] + found
    raise RangeError(f"client's phase lock and receiver disagree after {len(arrivals)} attempts")


def index_of(frames: list[Frame], arrivals: list[int], ahead: int) -> int | None:
    """Which of the frames that arrived is the first one received; None unless all others follow."""
    if not frames:
        return None
    period = arrivals[1] - arrivals[0]
    first = round((frames[0].start - ahead - arrivals[0]) / period)
    if len(frames) != len(arrivals) - first:
        return None
    return first


def _codes(
    optics: Optics, lock: phase_lock.LoopSettings, received: Received, first: int, count: int
) -> tuple[IntArray, bool]:
    """The shifter's code after each of `count` frames, and whether the loop ended locked."""
    out = np.zeros(count, np.int64)
    state, code, locked = phase_lock.State(), 0, False
    phases = received.phases
    for at, (angle, bad) in enumerate(zip(phases.angle.tolist(), phases.bad.tolist(), strict=True)):
        taken = phase_lock.step(optics.setup.client, lock, state, angle, bad)
        if taken is not None:
            code, locked = taken
        out[first + at] = code
    return out, locked


def _run(
    optics: Optics,
    tapped: Complex,
    arrivals: list[int],
    settings: DigitiserSettings,
    lock: phase_lock.LoopSettings,
    offset: tuple[int, ...] | None,
    guess: list[Frame],
) -> tuple[IntArray, IntArray]:
    """The detector's words (1, n), and the shifter's code in each frame, with timing as given."""
    spec = optics.setup.client
    steps = plan(settings)
    (kept,) = np.nonzero((steps.kind == PILOT) | (steps.kind == VACUUM))
    vacuum = steps.kind[kept] == VACUUM
    pilot = steps.pilot[kept]
    last = np.arange(len(kept)) == len(kept) - 1
    windows = 4 * kept[:, None] + np.arange(spec.taps)
    taps = spec.coefficients()
    offsets = normalisation.State.reset(spec)
    if offset is not None:
        offsets = normalisation.State(list(offset), (1 << normalisation.COUNT_BITS) - 1)

    detector = optics.homodyne()
    words = np.empty((1, len(tapped)), np.int64)
    words[:, : arrivals[0]] = detector(tapped[: arrivals[0]], 0.0)
    period = arrivals[1] - arrivals[0]
    after = np.zeros(len(arrivals), np.int64)
    codes = np.zeros(len(arrivals), np.int64)
    state, code = phase_lock.State(), 0
    unit = 2 * math.pi / lock.span
    lag = optics.setup.settle + DECISION
    for first in range(0, len(arrivals), lag):
        group = slice(first, min(first + lag, len(arrivals)))
        count = group.stop - first
        if first:
            codes[group] = after[first - lag : group.stop - lag]
        part = slice(arrivals[first], arrivals[first] + count * period)
        words[:, part] = detector(tapped[part], codes[group] * unit)
        # The first frame of all only starts the receiver.
        use = [k for k in range(first, group.stop) if k]
        frames = [guess[k] for k in use]
        samples, _ = entry.model(spec, words[:, part], settings.offset_binary)
        where = np.array([f.start for f in frames]) - part.start
        picked = samples[0, where[:, None, None] + windows]
        coefficients = taps[[f.fraction for f in frames]]
        filtered = matched.model(spec, picked, coefficients[:, :, None])[..., 0]
        good = np.ones(filtered.size, np.bool_)
        value, _ = normalisation.model(
            spec, settings, offsets, filtered.reshape(1, -1), np.tile(vacuum, len(use)), good
        )
        _, _, phases = phase.model(
            spec, settings, phase.State(), value, np.tile(pilot, len(use)), good,
            np.tile(last, len(use)),
        )  # fmt: skip
        for k, angle in zip(use, phases.angle.tolist(), strict=True):
            taken = phase_lock.step(spec, lock, state, angle, guess[k].lost)
            code = taken[0] if taken is not None else code
            after[k] = code
    rest = slice(arrivals[-1] + period, None)
    words[:, rest] = detector(tapped[rest], codes[-1] * unit)
    return words, codes
