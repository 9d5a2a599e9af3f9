"""Framing: rows of symbols become frames, in the format of `models.signal.frame`.

Integer model of `gateware.drive.framing`.

References are stored as quadratures of ±½; the scaling that follows gives them their level.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import BoolArray, IntArray, overflows
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.signal.frame import FrameLayout, Slot


def model(spec: DriveSpec, layout: FrameLayout, rows: npt.ArrayLike) -> IntArray:
    """Frames of raw symbols, shape (…, 2, layout.length), from rows of shape (…, 2, layout.row).

    Raises `RangeError` for rows of another shape or beyond the format.
    """
    symbols = np.asarray(rows, dtype=np.int64)
    if symbols.shape[-2:] != (2, layout.row):
        raise RangeError(f"rows have shape {symbols.shape}; allowed: (…, 2, {layout.row})")
    if overflows(symbols, spec.symbol).any():
        raise RangeError(f"rows reach beyond {spec.symbol}")
    half = 1 << (spec.symbol.fraction - 1)
    frames = np.empty((*symbols.shape[:-1], layout.length), dtype=np.int64)
    frames[...] = layout.references().astype(np.int64) * half
    frames[..., layout.slots() == Slot.ROW] = symbols
    return frames


def is_reference(layout: FrameLayout) -> BoolArray:
    """Whether each symbol of a frame is sent at the reference level, shape (layout.length,)."""
    slots = layout.slots()
    return (slots == Slot.PREAMBLE) | (slots == Slot.PILOT)
