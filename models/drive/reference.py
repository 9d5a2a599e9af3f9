"""The ideal drive in float64, and the error of the integer model relative to it.

The error is measured with an ideal receiver, which is here as well: an ideal modulator and the
matched filter of the designed pulse.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import IntArray, quantise, to_float
from shotveil.models.drive.framing import is_reference
from shotveil.models.drive.spec import Arm, DriveRegisters, DriveSettings, DriveSpec, registers
from shotveil.models.signal import pulse
from shotveil.models.signal.frame import Slot

FloatArray = npt.NDArray[np.float64]


def symbols_of(rows: npt.ArrayLike) -> FloatArray:
    """Real weight rows, shape (frames, n), as quadratures, shape (frames, 2, ⌈n/2⌉).

    Odd-numbered weights go to I and even-numbered ones to Q; an odd n is padded with a zero.
    """
    weights = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    if weights.shape[-1] % 2:
        weights = np.concatenate([weights, np.zeros((*weights.shape[:-1], 1))], axis=-1)
    return np.moveaxis(weights.reshape(*weights.shape[:-1], -1, 2), -1, -2)


def raw_symbols(spec: DriveSpec, symbols: npt.ArrayLike) -> IntArray:
    """Symbols in [−1, 1) as raw integers of the same shape, as the host sends them.

    Raises `RangeError` for a symbol outside that range.
    """
    return quantise(symbols, spec.symbol, name="symbol")


def normalised(spec: DriveSpec, weights: npt.ArrayLike) -> FloatArray:
    """Weights divided by one constant, so that the largest magnitude is the largest symbol value.

    The layer's s has to include that constant. Raises `RangeError` if all weights are zero.
    """
    w = np.asarray(weights, dtype=np.float64)
    largest = np.abs(w).max()
    if not largest > 0:
        raise RangeError("weights are all zero: there is no scale that they could be brought to")
    return w * (spec.symbol.highest * spec.symbol.lsb / largest)


def field(spec: DriveSpec, settings: DriveSettings, symbols: FloatArray) -> FloatArray:
    """The field that each frame requests, as a fraction of the largest; (frames, 2, samples).

    `symbols` in [−1, 1) have shape (frames, 2, row). The pulse is that of the integer taps if the
    settings give some, and otherwise the designed pulse without rounding.
    """
    raw = registers(spec, settings)
    layout = settings.layout
    frames = np.zeros((*symbols.shape[:-1], layout.length))
    frames[...] = layout.references() * settings.reference
    frames[..., layout.slots() == Slot.ROW] = symbols * settings.scale
    taps = float_taps(spec, settings, raw)
    line = np.zeros((*frames.shape[:-1], layout.length * spec.samples_per_symbol))
    line[..., :: spec.samples_per_symbol] = frames
    shaped = np.zeros_like(line)
    for delay, tap in enumerate(taps):
        shaped[..., delay:] += tap * line[..., : line.shape[-1] - delay]
    return shaped


def float_taps(spec: DriveSpec, settings: DriveSettings, raw: DriveRegisters) -> FloatArray:
    """The taps (taps,) that the settings ask for, before rounding, scaled like the integer taps."""
    if settings.angle or settings.coefficients is not None:
        return to_float(raw.coefficients, spec.coefficient)
    designed = pulse.design(spec.samples_per_symbol, spec.taps, spec.rolloff)
    integers = to_float(raw.coefficients, spec.coefficient)
    return designed * (integers @ designed)  # the design has unit energy


def voltages(spec: DriveSpec, settings: DriveSettings, fields: FloatArray) -> FloatArray:
    """The voltages that give the fields, as fractions of the DAC's full scale, of the same shape.

    Raises `RangeError` for a field out of the modulator's reach.
    """
    arms = settings.arms
    gain, half_wave, bias = (
        np.array([getattr(arm, name) for arm in arms])[:, None]
        for name in ("gain", "half_wave", "bias")
    )
    asked = fields * gain
    if np.abs(asked).max(initial=0) >= 1:
        raise RangeError(f"field = {np.abs(asked).max():g} is outside (−1, 1)")
    phase = asked if settings.angle else np.arcsin(asked) * 2 / np.pi
    return half_wave * phase + bias


def modulator(arms: tuple[Arm, Arm], voltage: FloatArray) -> FloatArray:
    """The field of an ideal I/Q modulator with these arms, shape as `voltage` (…, 2, n)."""
    gain, half_wave, bias = (
        np.array([getattr(arm, name) for arm in arms])[:, None]
        for name in ("gain", "half_wave", "bias")
    )
    return np.sin(np.pi / 2 * (voltage - bias) / half_wave) / gain


def matched(spec: DriveSpec, fields: FloatArray, symbols: int) -> FloatArray:
    """The matched filter's output at the symbol instants, shape (…, symbols).

    Each output correlates the samples, from the symbol's first one on, with the designed pulse of
    unit energy.
    """
    taps = pulse.design(spec.samples_per_symbol, spec.taps, spec.rolloff)
    padded = np.concatenate([fields, np.zeros((*fields.shape[:-1], spec.taps))], axis=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, spec.taps, axis=-1)
    return windows[..., : symbols * spec.samples_per_symbol : spec.samples_per_symbol, :] @ taps


def excess_noise(received: FloatArray, sent: FloatArray, modulation_variance: float) -> float:
    """Error of the received symbols as excess noise in shot-noise units.

    ε = V_A · Σ(y/t − q)²/Σq² with t = Σqy/Σq², one real gain for all symbols and both quadratures.
    The gain is not an error, because the sender measures it once and includes it in s. Differences
    between rows, quadratures or symbols count as errors, and so does a mean.
    """
    q, y = sent.ravel(), received.ravel()
    gain = (q @ y) / (q @ q)
    error = y / gain - q
    return float(modulation_variance * (error @ error) / (q @ q))


def drive_excess_noise(
    spec: DriveSpec,
    settings: DriveSettings,
    codes: IntArray,
    sent: FloatArray,
    modulation_variance: float = 12.0,
) -> float:
    """Excess noise (SNU) of row symbols after DAC, ideal modulator and ideal matched filter.

    `codes` has shape (frames, 2, samples), and `sent` (frames, 2, row) are the symbols before
    rounding. `modulation_variance` is V_A in SNU.
    """
    layout = settings.layout
    fields = modulator(settings.arms, to_float(codes, spec.dac))
    received = matched(spec, fields, layout.length)
    row = layout.slots() == Slot.ROW
    return excess_noise(received[..., row], sent, modulation_variance)


__all__ = [
    "drive_excess_noise",
    "excess_noise",
    "field",
    "float_taps",
    "is_reference",
    "matched",
    "modulator",
    "normalised",
    "raw_symbols",
    "symbols_of",
    "voltages",
]
