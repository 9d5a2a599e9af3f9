"""The ideal receiver in float64, with which the integer model is compared.

It is a matched filter with the designed pulse at the exact delay, without any rounding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shotveil.models.digitiser.spec import DigitiserSpec, fractional_delay
from shotveil.models.signal import pulse

FloatArray = npt.NDArray[np.float64]


def matched(
    spec: DigitiserSpec,
    voltage: npt.ArrayLike,
    starts: npt.ArrayLike,
    fraction: float,
    symbols: int,
) -> FloatArray:
    """Symbols of frames, shape (quadratures, frames, symbols), in the unit of `voltage`.

    `voltage` has shape (quadratures, n). `starts` are the samples at which each frame's first
    symbol starts; its pulse is later by `fraction` of a sample. The filter is the designed pulse of
    unit energy with that delay, and long enough to hold the delayed pulse.
    """
    given = np.atleast_2d(np.asarray(voltage, dtype=np.float64))
    designed = pulse.design(spec.samples_per_symbol, spec.taps, spec.rolloff)
    pad = 32
    taps = fractional_delay(np.pad(designed, pad), fraction)
    first = np.asarray(starts)[:, None] + spec.samples_per_symbol * np.arange(symbols) - pad
    windows = np.lib.stride_tricks.sliding_window_view(given, len(taps), axis=1)
    out: FloatArray = windows[:, first] @ taps
    return out
