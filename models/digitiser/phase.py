"""Phase of the pilots, and de-rotation. Integer model of `gateware.digitiser.phase`.

*Phase-diverse.* Each pilot, times the conjugate of what was sent, shows the phase ψ. Good pilots
move the estimate θ by 2^−g of ψ − θ, with g growing from 0 to the register `phase_shift` as the
number of pilots does; all symbols that follow are turned by −θ. A pilot is turned before it is
used, so the error that the turned pilots show is an honest one.

With a = 2^−`phase_shift`, pilots' noise of variance r leaves r·a/(2 − a) in θ, and a phase that
walks by variance w from pilot to pilot leaves w/(a·(2 − a)). The default of 3 keeps what tracking
costs within 0.05 dB where the laser is narrow; at linewidth × symbol time of 10⁻⁵ choose 2.

*Homodyne.* Nothing is turned. Even and odd pilots of a frame are √2·A·cos(φ ± 45°): their sum and
their difference give φ on the full circle, once a frame, to the loop that drives the phase shifter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.common.fixedpoint import BoolArray, IntArray
from shotveil.models.digitiser import cordic
from shotveil.models.digitiser.spec import SIGNAL_RECORD, DigitiserSettings, DigitiserSpec

COUNT_BITS = 8  # of the number of pilots seen
SUM_SHIFT = 4  # bits dropped from a homodyne frame's sums of pilots, at most 32 of them


@dataclass
class PhaseState:
    """θ in 2^−phase_bits turn, and how many pilots it has seen (saturating)."""

    theta: int = 0
    seen: int = 0


@dataclass(frozen=True)
class Phases:
    """What was measured, one entry a pilot (phase-diverse) or a frame (homodyne).

    `angle` is θ after the pilot, or φ, and `bad` tells that a pilot was not used.
    """

    angle: IntArray
    bad: BoolArray


def wrap(spec: DigitiserSpec, angle: int) -> int:
    """An angle in −½ … ½ turn."""
    half = 1 << (spec.phase_bits - 1)
    return ((angle + half) & (2 * half - 1)) - half


def model(
    spec: DigitiserSpec,
    settings: DigitiserSettings,
    state: PhaseState,
    value: IntArray,
    pilot: IntArray,
    good: BoolArray,
    last: BoolArray,
) -> tuple[IntArray, BoolArray, Phases]:
    """De-rotated symbols, where they saturated, and the phases; updates `state`.

    `value` has shape (quadratures, n); `pilot`, shape (n,), is the number of the pilot in its frame
    or −1; `last` marks the last symbol of each frame. A call starts at the start of a frame.
    """
    if spec.quadratures == 1:
        return (
            value,
            np.zeros(value.shape[1], np.bool_),
            _homodyne(spec, value[0], pilot, good, last),
        )
    (at,) = np.nonzero(pilot >= 0)
    # Pilots alternate between 1 + i and 1 − i.
    x, p = value[0, at], value[1, at]
    sign = np.where(pilot[at] % 2 == 0, 1, -1)
    measured = cordic.arctangent(spec, x + sign * p, p - sign * x)
    thetas = np.empty(len(at) + 1, dtype=np.int64)
    thetas[0] = state.theta
    for index, (psi, use) in enumerate(zip(measured.tolist(), good[at].tolist(), strict=True)):
        if use and settings.record == SIGNAL_RECORD:
            gain = min(state.seen.bit_length(), settings.phase_shift)
            error = wrap(spec, psi - state.theta)
            state.theta = wrap(spec, state.theta + (error >> gain))
            state.seen = min(state.seen + 1, (1 << COUNT_BITS) - 1)
        thetas[index + 1] = state.theta
    # A symbol is turned by the estimate of the pilots before it.
    before = np.searchsorted(at, np.arange(value.shape[1]), side="left")
    u, v, limited = cordic.rotate(spec, value[0], value[1], -thetas[before])
    return np.stack([u, v]), limited, Phases(thetas[1:], ~good[at])


def _homodyne(
    spec: DigitiserSpec, value: IntArray, pilot: IntArray, good: BoolArray, last: BoolArray
) -> Phases:
    frame: IntArray = np.cumsum(last) - last
    frames = int(last.sum())
    (at,) = np.nonzero(pilot >= 0)
    of, number = frame[at], pilot[at]

    def summed(of: IntArray, values: IntArray | BoolArray) -> IntArray:
        # In floating point: exact for sums of this size.
        return np.bincount(of, values, frames + 1).astype(np.int64)

    is_odd = number % 2 == 1
    even, odd = summed(of[~is_odd], value[at[~is_odd]]), summed(of[is_odd], value[at[is_odd]])
    bad = summed(of, ~good[at])
    # cos(φ + 45°) + cos(φ − 45°) = √2·cos φ, and their difference √2·sin φ.
    total, difference = (even + odd) >> SUM_SHIFT, (odd - even) >> SUM_SHIFT
    angle = cordic.arctangent(spec, total, difference)
    return Phases(angle[:frames], bad[:frames] > 0)
