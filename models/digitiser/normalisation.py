"""Offset removal and shot-noise units. Integer model of `gateware.digitiser.normalisation`.

The offset is measured in the vacuum slots after the matched filter, and subtracted there. The
filter is linear, so this equals a subtraction at its input, without a loss of resolution. Each good
vacuum symbol moves the offset by 2^−g of its distance from it; with 2 samples a symbol, one of four
does. g grows from 0 with the logarithm of the number of such symbols, up to the register
`offset_shift`. The offset is therefore their mean at first, and later that of about the last
2^offset_shift. Row symbols are not filtered.
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
    """The offset of each quadrature, and the (saturating) number of vacuum symbols it has seen.

    `passed` counts all vacuum symbols, modulo `DigitiserSpec.measures_every`.
    """

    offset: list[int]
    seen: int = 0
    passed: int = 0

    @classmethod
    def reset(cls, spec: DigitiserSpec) -> NormalisationState:
        return cls([0] * spec.quadratures)


COUNT_BITS = 15  # width of the number of vacuum symbols seen


def model(
    spec: DigitiserSpec,
    settings: DigitiserSettings,
    state: NormalisationState,
    value: IntArray,
    vacuum: BoolArray,
    good: BoolArray,
) -> tuple[IntArray, BoolArray]:
    """Symbols in √SNU, format `spec.symbol`, and whether each saturated; `state` is updated.

    `value` has shape (quadratures, n) in time order. Symbols marked by both `vacuum` and `good`,
    shape (n,), measure the offset.
    """
    # Vacuum symbols, which move the offset, are handled one by one, all others at once.
    turn = state.passed + np.cumsum(vacuum) - vacuum
    (moving,) = np.nonzero(vacuum & good & (turn % spec.measures_every == 0))
    state.passed = (state.passed + int(np.count_nonzero(vacuum))) % spec.measures_every
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
