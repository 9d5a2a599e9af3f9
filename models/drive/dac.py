"""DAC formatting: conversion of voltages to codes, and the switch that sets the output to zero.

The output is zero until the drive is armed. The first fault sets it to zero until the drive is
armed again.
Integer model of `gateware.drive.dac`.
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
    spec: DriveSpec,
    settings: DriveRegisters,
    voltages: IntArray,
    fault: BoolArray,
    tripped: bool = False,
) -> tuple[IntArray, BoolArray, bool]:
    """Codes, shape (…, 2, n), from voltages of that shape, in the order in which they are sent.

    The drive is armed at the first sample, unless it has already `tripped`. `fault`, shape (…, n),
    marks samples that cannot be sent as asked. Returns the codes, whether each code saturated while
    the output was on, shape (…, n), and whether the drive has tripped.
    """
    shift = spec.voltage.fraction - spec.dac.fraction
    rounded = round_shift(voltages, shift, Rounding.HALF_EVEN)
    saturated = np.any(overflows(rounded, spec.dac), axis=-2)
    codes = constrain(rounded, spec.dac, Overflow.SATURATE)
    trip = np.zeros_like(saturated)
    if settings.stop_on_fault:
        trip |= fault
    if settings.stop_on_saturation:
        trip |= saturated
    if not tripped and not trip.any():
        return codes, saturated, False
    off = np.logical_or.accumulate(trip.ravel()) | tripped
    # The pair of codes that trips the drive still counts; those after it do not.
    on = ~np.concatenate([[tripped], off[:-1]]).reshape(trip.shape)
    codes = np.where(off.reshape(trip.shape)[..., None, :], 0, codes)
    return codes, saturated & on, True
