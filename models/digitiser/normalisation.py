"""Offset removal and shot-noise units. Integer model of `gateware.digitiser.normalisation`.

The offset is measured where it acts, behind the matched filter, in the vacuum slots, and
subtracted there; the filter is linear, so that is the same as at its input, and costs nothing in
resolution. Each good vacuum symbol moves the offset by 2^−g of its distance, where g grows from 0
with the logarithm of their number up to the register `offset_shift`: the mean of all, then of the
last 2^offset_shift. Nothing is filtered out of the row's symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shotveil.models.common.fixedpoint import (
    BoolArray,
    IntArray,
    Overflow,
    Rounding,
    constrain,
    overflows,
    round_shift,
)
from shotveil.models.digitiser.spec import DigitiserSettings, DigitiserSpec


@dataclass
class NormalisationState:
    """Offset of each quadrature, and how many vacuum symbols it has seen (saturating)."""

    offset: list[int]
    seen: int = 0

    @classmethod
    def reset(cls, spec: DigitiserSpec) -> NormalisationState:
        return cls([0] * spec.quadratures)


COUNT_BITS = 15  # of the number of vacuum symbols seen


def model(
    spec: DigitiserSpec,
    settings: DigitiserSettings,
    state: NormalisationState,
    value: IntArray,
    vacuum: BoolArray,
    good: BoolArray,
) -> tuple[IntArray, BoolArray]:
    """Symbols in √SNU and where one saturated; `value` has shape (quadratures, n) in time order.

    `vacuum` and `good`, of shape (n,), tell which symbols measure the offset. Updates `state`.
    """
    # Symbol by symbol where the offset moves, at once where it stands still.
    (moving,) = np.nonzero(vacuum & good)
    lengths = np.diff(np.concatenate([[-1], moving, [value.shape[1] - 1]]))
    offsets = np.empty_like(value)
    seen, most = state.seen, (1 << COUNT_BITS) - 1
    slowest, guard = settings.offset_shift, spec.offset_guard
    for row, offset in enumerate(state.offset):
        taken, seen = [offset], state.seen
        for measured in value[row, moving].tolist():
            gain = seen.bit_length()
            if gain > slowest:
                gain = slowest
            offset += ((measured << guard) - offset) >> gain
            if seen < most:
                seen += 1
            taken.append(offset)
        state.offset[row] = offset
        offsets[row] = np.repeat(taken, lengths)
    state.seen = seen
    dropped = spec.filtered.fraction + spec.offset_guard - spec.centred.fraction
    difference = round_shift((value << spec.offset_guard) - offsets, dropped, Rounding.HALF_EVEN)
    centred = constrain(difference, spec.centred, Overflow.SATURATE)
    limited = overflows(difference, spec.centred)
    scaled = centred * np.array(settings.scale[: spec.quadratures])[:, None]
    shift = spec.centred.fraction + spec.scale.fraction - spec.symbol.fraction
    rounded = round_shift(scaled, shift, Rounding.HALF_EVEN)
    limited |= overflows(rounded, spec.symbol)
    any_limited: BoolArray = np.logical_or.reduce(limited, axis=0)
    return constrain(rounded, spec.symbol, Overflow.SATURATE), any_limited
