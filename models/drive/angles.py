"""Angle mode: a table of beam-splitter angles is replayed as the row of every frame.

A programmable beam splitter is a Mach-Zehnder whose splitting angle θ is proportional to its
voltage, θ = π·V/(2·Vπ). The table holds θ in units of π/2 for the two electrodes of each mode, in
the format of symbols. The rest of the drive carries it as it carries weights, but with s = 1, a
pulse that holds each symbol, and the linearisation without its arcsine.

Integer model of `gateware.drive.angles`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.fixedpoint import IntArray, overflows
from shotveil.models.drive.spec import DriveSpec


def model(spec: DriveSpec, table: npt.ArrayLike, rows: int) -> IntArray:
    """`rows` copies of a raw table of shape (2, n), as rows of shape (rows, 2, n).

    Raises `RangeError` for another shape, a bad length, or an angle beyond the format.
    """
    angles = np.asarray(table, dtype=np.int64)
    if angles.ndim != 2 or angles.shape[0] != 2:
        raise RangeError(f"angle table has shape {angles.shape}; allowed: (2, n)")
    require("angles in the table", angles.shape[1], at_least=1, at_most=spec.row_capacity)
    require("rows", rows, at_least=0, integer=True)
    if overflows(angles, spec.symbol).any():
        raise RangeError(f"angle table reaches beyond {spec.symbol}")
    return np.broadcast_to(angles, (rows, *angles.shape)).copy()
