"""The whole receiver, from ADC codes to symbols, sums and inference values.

Integer model of `gateware.digitiser.chain`, for samples that begin at the receiver's reset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import BoolArray, IntArray
from shotveil.models.digitiser import (
    accumulators,
    correlator,
    entry,
    matched,
    normalisation,
    phase,
    timing,
)
from shotveil.models.digitiser.accumulators import Sums
from shotveil.models.digitiser.phase import Phases
from shotveil.models.digitiser.spec import (
    PILOT,
    ROW,
    SIGNAL_RECORD,
    VACUUM,
    VACUUM_RECORD,
    DigitiserSettings,
    DigitiserSpec,
)
from shotveil.models.digitiser.timing import Frame
from shotveil.models.signal.frame import PILOTS, Slot

# Latency of the matched filter's registers, in samples.
MATCHED_LATENCY = 7
# Latency, in samples, from a frame's last symbol to the phase shifter's effect on the light. It
# covers waiting symbols, CORDIC, phase lock and converters.
CODE_LATENCY = 96
FRAMES_AT_ONCE = 32  # so few fit a processor's cache


def finished(spec: DigitiserSpec, settings: DigitiserSettings, start: int) -> int:
    """Samples that the receiver has taken when a frame's last symbol leaves the matched filter.

    The frame starts at sample `start`. Its phase and the phase lock's code need no later samples.
    """
    symbols = len(plan(settings).kind)
    return (
        start + spec.samples_per_symbol * (symbols - 1) + spec.taps + MATCHED_LATENCY + spec.delay
    )


def moving_runs(spec: DigitiserSpec, settings: DigitiserSettings) -> int:
    """Number of runs of row symbols, at a frame's start, in which the phase shifter may move.

    A homodyne receiver knows the code of a frame only after its last symbol, when the next frame
    has begun. With two quadratures the result is 0, because there is no phase shifter.
    """
    if spec.quadratures == 2:
        return 0
    late = finished(spec, settings, 0) + CODE_LATENCY - settings.period
    run = spec.samples_per_symbol * (settings.layout.pilot_spacing + settings.layout.pilots)
    return max(0, -(-late // run))


@dataclass(frozen=True)
class Plan:
    """The symbols of one frame in order, without preamble and guard; arrays of shape (n,).

    kind: pilot, row or vacuum. index: number of the row symbol, of a pilot its number modulo 4, 0
    elsewhere. pilot: number of the pilot, −1 elsewhere. segment: number of pilot groups before the
    row symbol, minus one.
    """

    kind: IntArray
    index: IntArray
    pilot: IntArray
    segment: IntArray


def plan(settings: DigitiserSettings) -> Plan:
    """The symbols that the receiver takes from each frame."""
    slots = settings.layout.slots()
    slots = slots[(slots != Slot.PREAMBLE) & (slots != Slot.GUARD)]
    kind = np.select([slots == Slot.PILOT, slots == Slot.ROW], [PILOT, ROW], VACUUM)
    pilot = np.where(kind == PILOT, np.cumsum(kind == PILOT) - 1, -1)
    index = np.where(kind == ROW, np.cumsum(kind == ROW) - 1, np.maximum(pilot, 0) % len(PILOTS))
    segment = np.where(kind == ROW, index // settings.layout.pilot_spacing, 0)
    return Plan(kind.astype(np.int64), index, pilot, segment)


@dataclass(frozen=True)
class Received:
    """All results of the receiver.

    Symbols are in time order: `value` and `q` have shape (2, n), the other arrays of symbols (n,).
    `frame` is the frame's number and wraps at 2^frame_bits. `over`, `saturated` and `lost` are the
    flags of each symbol. `inference` holds the values of the chosen mode, shape (2, frames that
    reached it). `overrange` counts overrange samples; `offset` and `theta` are the final offsets
    and phase estimate, in raw integers.
    """

    frames: list[Frame]
    value: IntArray
    kind: IntArray
    index: IntArray
    frame: IntArray
    over: BoolArray
    saturated: BoolArray
    lost: BoolArray
    last: BoolArray
    q: IntArray
    phases: Phases
    sums: Sums
    inference: IntArray
    overrange: int
    offset: tuple[int, ...]
    theta: int


def model(
    spec: DigitiserSpec,
    settings: DigitiserSettings,
    codes: npt.ArrayLike,
    q: npt.ArrayLike,
    offset: tuple[int, ...] | None = None,
    taps: IntArray | None = None,
    skip: Callable[[list[Frame]], BoolArray] | None = None,
) -> Received:
    """Receive `codes`, shape (quadratures, n); `q`, shape (2, symbols), are the row symbols sent.

    `skip` returns, for the frames that were found, which to leave out of the sums; their rows take
    no symbols of q. `offset` starts the offset at a calibrated value, in the format of
    `Received.offset`. `taps` replace the matched filter's coefficients, shape (fractions, taps).
    Raises `RangeError` for settings that the digitiser cannot have, and if q has fewer symbols than
    the frames need.
    """
    settings.validate(spec)
    samples, over = entry.model(spec, codes, settings.offset_binary)
    n = samples.shape[1]
    correlation = correlator.model(spec, samples, settings.minimum)
    frames = timing.model(spec, settings, correlation)
    steps = plan(settings)
    symbols = len(steps.kind)
    # Only symbols that have left the matched filter when the samples end are received.
    end = n - spec.delay - MATCHED_LATENCY - spec.taps
    whole = [
        min(symbols, max(0, (end - frame.start) // spec.samples_per_symbol + 1)) for frame in frames
    ]
    starts = np.array([f.start for f in frames], dtype=np.int64)
    fractions = np.array([f.fraction for f in frames], dtype=np.int64)
    room = int(starts.max(initial=0)) + spec.samples_per_symbol * symbols + spec.taps - n
    if room > 0:
        samples = np.concatenate([samples, np.zeros((len(samples), room), np.int64)], axis=1)
        over = np.concatenate([over, np.zeros(room, np.bool_)])
    filtered = matched.frames(spec, samples, over, starts, fractions, symbols, taps)
    # Frames follow each other; only the symbols of the last frames can be missing.
    bounds = [0, *np.cumsum(whole, dtype=np.int64).tolist()]
    count = bounds[-1]

    def flat(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return np.broadcast_to(values, (len(frames), symbols)).reshape(-1)[:count]

    kind, index, pilot, segment = (
        flat(v).astype(np.int64) for v in (steps.kind, steps.index, steps.pilot, steps.segment)
    )
    lost = flat(np.array([f.lost for f in frames], dtype=np.bool_)[:, None]).astype(np.bool_)
    last = flat(np.arange(symbols) == symbols - 1).astype(np.bool_)
    number = flat(np.arange(len(frames))[:, None]).astype(np.int64)
    seen_over = flat(filtered.over).astype(np.bool_)
    left_out = np.zeros(len(frames), np.bool_) if skip is None else skip(frames)
    skipped = flat(left_out[:, None]).astype(np.bool_)

    sent = np.zeros((2, count), np.int64)
    if settings.record == SIGNAL_RECORD:
        (rows,) = np.nonzero((kind == ROW) & ~skipped)
        replay = np.asarray(q, dtype=np.int64)
        if replay.shape[1] < len(rows):
            raise RangeError(
                f"q holds {replay.shape[1]} symbols; allowed: at least {len(rows)}, those received"
            )
        sent[:, rows] = replay[:, : len(rows)]
        level = settings.pilot * (1 - 2 * phase.opposite(pilot))
        sign = np.where(pilot % 2 == 0, 1, -1)
        sent = np.where(kind == PILOT, np.stack([level, sign * level]), sent)

    state = normalisation.NormalisationState.reset(spec)
    if offset is not None:
        state = normalisation.NormalisationState(list(offset), (1 << normalisation.COUNT_BITS) - 1)
    measures = (kind == VACUUM) & (settings.record == SIGNAL_RECORD)
    measures |= settings.record == VACUUM_RECORD
    turning = phase.PhaseState()
    value = np.zeros((2, count), np.int64)
    limited = np.empty(count, np.bool_)
    phases, sums = [], []
    for first in range(0, max(1, len(frames)), FRAMES_AT_ONCE):
        part = slice(bounds[first], bounds[min(first + FRAMES_AT_ONCE, len(frames))])
        seen = filtered.value.reshape(spec.quadratures, -1)[:, part]
        bad = seen_over[part] | lost[part]
        seen, over_scale = normalisation.model(spec, settings, state, seen, measures[part], ~bad)
        bad |= over_scale
        seen, over_turn, found = phase.model(
            spec, settings, turning, seen, pilot[part], ~bad, last[part]
        )
        bad |= over_turn
        value[: spec.quadratures, part], limited[part] = seen, over_scale | over_turn
        phases.append(found)
        sums.append(
            accumulators.model(
                spec, settings, value[:, part], sent[:, part], kind[part], index[part],
                segment[part], bad, last[part], skipped[part],
            )
        )  # fmt: skip
    wanted = (kind == ROW) & (index == settings.mode)
    return Received(
        frames=frames,
        value=value,
        kind=kind,
        index=index,
        frame=number % (1 << spec.frame_bits),
        over=seen_over,
        saturated=limited,
        lost=lost,
        last=last,
        q=sent,
        phases=Phases(
            np.concatenate([p.angle for p in phases]), np.concatenate([p.bad for p in phases])
        ),
        sums=Sums(
            np.concatenate([s.frames for s in sums]), np.sum([s.modes for s in sums], axis=0)
        ),
        inference=value[:, wanted],
        overrange=int(over.sum()),
        offset=tuple(state.offset),
        theta=turning.theta,
    )
