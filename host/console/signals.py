"""What a person looks at in a raw record: its constellation, its eye, its spectrum."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.digitiser.spec import DigitiserSpec, matched_taps

FloatArray = npt.NDArray[np.float64]
BINS = 256  # of the spectrum
POINTS = 1000  # symbols that a constellation shows at most
TRACES = 60  # of an eye


def filtered(spec: DigitiserSpec, samples: IntArray) -> FloatArray:
    """Return samples behind the matched filter, shape (quadratures, n), with their means removed.

    The taps have unit energy, so white noise keeps its variance.
    """
    taps = matched_taps(spec)[spec.fractions // 2] * spec.coefficient.lsb
    centred = samples - samples.mean(axis=1, keepdims=True)
    return np.stack([np.convolve(line, taps[::-1], mode="valid") for line in centred])


def best_phase(spec: DigitiserSpec, smooth: FloatArray) -> int:
    """Return the sample within a symbol at which the eye is widest: most power is there."""
    step = spec.samples_per_symbol
    whole = smooth[:, : smooth.shape[1] // step * step]
    power = (whole.reshape(len(whole), -1, step) ** 2).mean(axis=(0, 1))
    return int(np.argmax(power))


def constellation(spec: DigitiserSpec, smooth: FloatArray, phase: int) -> FloatArray:
    """Return symbols, shape (2, at most `POINTS`), the last ones of the record.

    A receiver of one quadrature has no other, so each value stands against the one after it.
    """
    symbols = smooth[:, phase :: spec.samples_per_symbol]
    if len(symbols) == 1:
        symbols = np.stack([symbols[0, :-1], symbols[0, 1:]])
    return symbols[:, -POINTS:]


def eye(spec: DigitiserSpec, smooth: FloatArray, phase: int) -> FloatArray:
    """Return traces of the first quadrature, shape (at most `TRACES`, samples of two symbols + 1).

    A symbol lies in the middle of each trace.
    """
    step = spec.samples_per_symbol
    line = smooth[0]
    starts = np.arange(phase, len(line) - 2 * step, step)[-TRACES:]
    return line[starts[:, None] + np.arange(2 * step + 1)]


def spectrum(samples: IntArray, clock_hz: float) -> tuple[FloatArray, FloatArray]:
    """Return frequencies in MHz and the power in dB over one squared ADC step per bin.

    `clock_hz` is the clock of the node, which takes a sample in each.
    It is the mean over the quadratures and over half-overlapping Hann windows (P. Welch, IEEE
    Trans. Audio Electroacoust. 15, 70 (1967)). White noise of variance 1 is at 0 dB.
    """
    size = 2 * BINS
    window = np.hanning(size)
    starts = range(0, samples.shape[1] - size + 1, BINS)
    parts = np.stack([samples[:, s : s + size] for s in starts], axis=1).astype(np.float64)
    parts -= parts.mean(axis=2, keepdims=True)
    power = np.abs(np.fft.rfft(parts * window)) ** 2 / np.sum(window**2)
    mean = power.mean(axis=(0, 1))[:BINS]
    frequencies = np.arange(BINS) * clock_hz / size / 1e6
    return frequencies, 10 * np.log10(np.maximum(mean, 1e-9))
