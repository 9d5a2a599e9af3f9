"""Matched filter at symbol rate. Integer model of `gateware.digitiser.matched`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.models.common.fixedpoint import BoolArray, IntArray, Rounding, round_shift
from shotveil.models.digitiser.spec import DigitiserSpec


def model(spec: DigitiserSpec, windows: npt.ArrayLike, taps: npt.ArrayLike) -> IntArray:
    """y = Σ_n h[n]·s[n], rounded half to even to `spec.filtered`.

    `windows`, shape (…, taps), hold each symbol's samples; `taps`, shape (taps,), are the
    coefficients for its fraction.
    """
    total = np.asarray(windows, dtype=np.int64) @ np.asarray(taps, dtype=np.int64)
    dropped = spec.coefficient.fraction - spec.filtered.fraction
    return round_shift(total, dropped, Rounding.HALF_EVEN)


@dataclass(frozen=True)
class Symbols:
    """Symbols of some frames, shape (quadratures, frames, symbols), in `spec.filtered`.

    `over`, of shape (frames, symbols), marks symbols with an overrange sample in their window.
    """

    value: IntArray
    over: BoolArray


def frames(
    spec: DigitiserSpec,
    samples: IntArray,
    over: BoolArray,
    starts: IntArray,
    fractions: IntArray,
    symbols: int,
    taps: IntArray | None = None,
) -> Symbols:
    """The first `symbols` symbols of each frame; all their samples must exist.

    `samples` has shape (quadratures, n) and `over` (n,). `starts` and `fractions`, shape (frames,),
    are each frame's first sample and fraction (0 … 63). `taps` replace the coefficients of the
    spec, shape (fractions, taps).
    """
    table = spec.coefficients() if taps is None else taps
    length = spec.samples_per_symbol * symbols
    # One view of all samples, because making a view takes longer than using a frame's part of it.
    windows = np.lib.stride_tricks.sliding_window_view(samples, spec.taps, axis=1)
    marked = np.lib.stride_tricks.sliding_window_view(over, spec.taps)
    any_over = over.any()
    value = np.empty((spec.quadratures, len(starts), symbols), dtype=np.int64)
    bad = np.zeros((len(starts), symbols), dtype=np.bool_)
    for index, (start, fraction) in enumerate(zip(starts, fractions, strict=True)):
        part = slice(start, start + length, spec.samples_per_symbol)
        value[:, index] = model(spec, windows[:, part], table[fraction])
        if any_over:
            np.logical_or.reduce(marked[part], axis=1, out=bad[index])
    return Symbols(value, bad)
