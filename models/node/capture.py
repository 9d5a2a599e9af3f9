"""A raw record of the ADC. Model of `gateware.node.capture`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shotveil.models.common.fixedpoint import IntArray


def model(codes: npt.ArrayLike, start: int, depth: int, frame: int | None = None) -> IntArray:
    """The words of a record, shape (depth,): x in bits 0–15 and p in 16–31.

    `codes`, shape (quadratures, n), are the ADC words in each clock. `start` is the clock of the
    strobe. The first sample is that of `start`, or that of the clock `frame`, in which a frame's
    first code leaves, if it is given. Raises `ValueError` if the samples end before the record.
    """
    first = start if frame is None else frame
    part = np.asarray(codes, dtype=np.int64)[:, first : first + depth]
    if part.shape[1] < depth:
        raise ValueError(f"{part.shape[1]} samples are left for a record of {depth}")
    words: IntArray = part[0].copy()
    if len(part) == 2:
        words |= part[1] << 16
    return words
