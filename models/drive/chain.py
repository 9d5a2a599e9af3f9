"""The whole drive, from rows of symbols to DAC codes. Integer model of `gateware.drive.chain`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.drive import dac, framing, linearisation, scaling, shaping
from shotveil.models.drive.spec import DriveRegisters, DriveSpec

# Samples per block: few enough for a processor's cache, many enough to hide Python's overhead.
CHUNK = 8192


@dataclass(frozen=True)
class DriveOutput:
    """The output of the drive for some frames.

    codes: DAC codes, shape (frames, 2, samples of a frame).
    clipped: number of samples whose symbol or shaped value saturated.
    refused: number of samples beyond the modulator's reach.
    saturated: number of samples that saturated the DAC while the output was on.
    tripped: whether a fault switched the output off.
    """

    codes: IntArray
    clipped: int
    refused: int
    saturated: int
    tripped: bool


def model(spec: DriveSpec, settings: DriveRegisters, rows: npt.ArrayLike) -> DriveOutput:
    """DAC codes of one frame for each row; `rows` has shape (frames, 2, row) in `spec.symbol`.

    The guard is at least as long as the pulse, so frames do not overlap and can be computed
    separately. Raises `RangeError` for rows of another shape or beyond the format.
    """
    symbols = np.asarray(rows, dtype=np.int64)
    if symbols.ndim != 3:
        raise RangeError(f"rows have shape {symbols.shape}; allowed: (frames, 2, row)")
    layout = settings.layout
    reference = framing.is_reference(layout)
    samples = layout.length * spec.samples_per_symbol
    codes = np.zeros((len(symbols), 2, samples), dtype=np.int64)
    clipped = refused = saturated = 0
    tripped = False
    step = max(1, CHUNK // samples)
    for start in range(0, len(symbols), step):
        part = slice(start, start + step)
        framed = framing.model(spec, layout, symbols[part])
        scaled, fault = scaling.model(spec, settings, framed, reference)
        shaped, fault = shaping.model(spec, settings.coefficients, scaled, fault)
        clipped += int(np.count_nonzero(fault))
        voltages, fault, lost = linearisation.model(spec, settings, shaped, fault)
        refused += int(np.count_nonzero(lost))
        codes[part], limited, tripped = dac.model(spec, settings, voltages, fault, tripped)
        saturated += int(np.count_nonzero(limited))
    return DriveOutput(codes, clipped, refused, saturated, tripped)
