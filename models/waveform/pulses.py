"""Conversion between samples and the amplitudes of a frame's pulses.

The pulses of a frame are orthonormal modes: integer shifts of one root-Nyquist pulse. Optics that
change the modes of a frame therefore give `light + synthesise(change)`, with the change computed
from `analyse(light)`. Light that is in none of the pulses stays unchanged.

Both conversions are matrix products for one frame at a time, so the result of a frame is the same
to the last bit however many frames are computed together.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from shotveil.models.signal import pulse

Complex = NDArray[np.complex128]
FRAMES_AT_ONCE = 8  # so few fit a processor's cache


class Pulses:
    """The drive's pulses in frames of `symbols` symbols."""

    def __init__(self, symbols: int, samples_per_symbol: int, taps: int, rolloff: float) -> None:
        self.symbols, self._step = symbols, samples_per_symbol
        self._matrix = _matrix(samples_per_symbol, taps, rolloff)
        self._span = taps // samples_per_symbol

    def analyse(self, light: Complex) -> Complex:
        """Amplitudes (F, symbols) from samples (F, samples of a frame), dark outside of these."""
        frames = len(light)
        out = np.empty((frames, self.symbols), np.complex128)
        for part in _groups(frames):
            chunk = np.ascontiguousarray(light[part]).view(np.float64)
            each = chunk.reshape(-1, self.symbols, 2 * self._step) @ self._matrix
            lags = each.view(np.complex128)  # (F, symbols, span): lag j of the symbol j later
            found = lags[:, :, 0].copy()
            for j in range(1, self._span):
                found[:, :-j] += lags[:, j:, j]
            out[part] = found
        return out

    def synthesise(self, amplitudes: Complex) -> Complex:
        """Samples (F, samples of a frame) of amplitudes (F, symbols); tails beyond it are cut."""
        frames = len(amplitudes)
        out = np.empty((frames, self.symbols * self._step), np.complex128)
        back = self._matrix.T
        for part in _groups(frames):
            given = amplitudes[part]
            lags = np.zeros((len(given), self.symbols, self._span), np.complex128)
            lags[:, :, 0] = given
            for j in range(1, self._span):
                lags[:, j:, j] = given[:, :-j]
            samples = lags.view(np.float64) @ back
            out[part] = samples.reshape(len(given), -1).view(np.complex128)
        return out


def _groups(frames: int) -> list[slice]:
    return [slice(i, i + FRAMES_AT_ONCE) for i in range(0, frames, FRAMES_AT_ONCE)]


@functools.cache
def _matrix(samples_per_symbol: int, taps: int, rolloff: float) -> NDArray[np.float64]:
    """Matrix from the samples of one symbol time (re, im) to their contributions to the pulses that
    began 0 … span − 1 symbols ago (re, im)."""
    designed = pulse.design(samples_per_symbol, taps, rolloff)
    polyphase = designed.reshape(-1, samples_per_symbol)  # (span, phase)
    matrix = np.zeros((samples_per_symbol, 2, len(polyphase), 2))
    for part in range(2):
        matrix[:, part, :, part] = polyphase.T
    return matrix.reshape(2 * samples_per_symbol, -1)
