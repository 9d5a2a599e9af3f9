"""Linearisation: the voltage at which a Mach-Zehnder at null bias gives the requested field.

V = Vπ·φ + bias with φ = (2/π)·arcsin(gain·u), where u is the field as a fraction of the largest
field. A table of chords gives φ. If |gain·u| is 1 or more, the request is out of the modulator's
reach; it is sent as the null, φ = 0, and marked. In angle mode φ = gain·u is itself the phase, in
units of π/2.

Integer model of `gateware.drive.linearisation`.
"""

from __future__ import annotations

import numpy as np

from shotveil.models.common.fixedpoint import BoolArray, IntArray, Rounding, round_shift
from shotveil.models.drive.spec import DriveRegisters, DriveSpec, arcsine_table


def model(
    spec: DriveSpec, settings: DriveRegisters, samples: IntArray, fault: BoolArray
) -> tuple[IntArray, BoolArray, BoolArray]:
    """Voltages in `spec.voltage`, shape (…, 2, n), from samples of that shape.

    `fault`, shape (…, n), marks samples that an earlier block could not send as asked. Returns the
    voltages, all samples marked so far, and the samples that were refused here, both of shape
    (…, n).
    """
    gain, half_wave, bias = (
        register[:, None] for register in (settings.gain, settings.half_wave, settings.bias)
    )
    request = round_shift(samples * gain, spec.gain.fraction, Rounding.HALF_EVEN)
    magnitude = np.abs(request)
    refused = magnitude >> spec.sample.fraction != 0
    if refused.any():
        magnitude[refused] = 0
    phase = _align(spec, magnitude) if settings.angle else arcsine(spec, magnitude)
    np.negative(phase, out=phase, where=request < 0)
    fine = spec.half_wave.fraction + spec.phase.fraction
    exact = phase * half_wave + (bias << (fine - spec.bias.fraction))
    voltage = round_shift(exact, fine - spec.voltage.fraction, Rounding.HALF_EVEN)
    lost = refused.any(axis=-2)
    return voltage, lost | fault, lost


def arcsine(spec: DriveSpec, magnitude: IntArray) -> IntArray:
    """(2/π)·arcsin of raw magnitudes in `spec.sample` below 1, in `spec.phase`, of the same shape.

    Only magnitudes are rounded and the sign is applied later, so ties round away from zero and the
    mean error over both signs is zero.
    """
    table = arcsine_table(spec)
    bits = spec.segment_bits
    segment = magnitude >> bits
    inside = magnitude & ((1 << bits) - 1)
    # Both terms are in units of 2^−(value_bits + slope_shift + bits).
    exact = np.take(table.value, segment) << (table.slope_shift + bits)
    exact += np.take(table.slope, segment) * inside
    fine = table.value_bits + table.slope_shift + bits
    return round_shift(exact, fine - spec.phase.fraction, Rounding.HALF_UP)


def _align(spec: DriveSpec, magnitude: IntArray) -> IntArray:
    """A magnitude of `spec.sample` in the units of `spec.phase`."""
    shift = spec.sample.fraction - spec.phase.fraction
    limit = spec.phase.highest
    return np.minimum(round_shift(magnitude, shift, Rounding.HALF_UP), limit)
