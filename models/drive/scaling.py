"""Scaling: multiplication of symbols by the layer's s or by the reference level.

Integer model of `gateware.drive.scaling`.
"""

from __future__ import annotations

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
from shotveil.models.drive.spec import DriveRegisters, DriveSpec


def model(
    spec: DriveSpec, settings: DriveRegisters, symbols: IntArray, reference: BoolArray
) -> tuple[IntArray, BoolArray]:
    """Scaled symbols in `spec.scaled`, from symbols of shape (…, 2, n), and whether each saturated.

    `reference`, shape (n,), marks the symbols of preamble and pilots. The second result has shape
    (…, n) and marks symbols of which a quadrature saturated.
    """
    factor = np.where(reference, settings.reference, settings.scale)
    shift = spec.symbol.fraction + spec.scale.fraction - spec.scaled.fraction
    product = round_shift(symbols * factor, shift, Rounding.HALF_EVEN)
    fault = np.any(overflows(product, spec.scaled), axis=-2)
    return constrain(product, spec.scaled, Overflow.SATURATE), fault
