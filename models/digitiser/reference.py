"""What the receiver is meant to do, in float64: the ideal against which the integers are held.

Matched filtering with the designed pulse at the exact delay, offset and scale as given, and a
rotation by a given angle; no rounding anywhere.
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

    `starts` are the first samples of each frame's first symbol, whose pulse is later by `fraction`
    of a sample; the filter is the designed pulse of unit energy, as long as its delay makes it.
    """
    given = np.atleast_2d(np.asarray(voltage, dtype=np.float64))
    designed = pulse.design(spec.samples_per_symbol, spec.taps, spec.rolloff)
    pad = 32
    taps = fractional_delay(np.pad(designed, pad), fraction)
    first = np.asarray(starts)[:, None] + 4 * np.arange(symbols) - pad
    windows = np.lib.stride_tricks.sliding_window_view(given, len(taps), axis=1)
    out: FloatArray = windows[:, first] @ taps
    return out
