"""A homodyne detector: its efficiency, its noise, its unit and what it records."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shotveil.models.common.parameters import check, parameter

if TYPE_CHECKING:  # command-line options are made from settings, and help is not to wait for NumPy
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

MOST_CLIPPED = 1e-6
"""Largest share of symbols that may lie beyond a converter's range. A link with more is refused,
because sums over clipped symbols show too little noise."""


@dataclass(frozen=True)
class Detector:
    """A homodyne detector: quantum `efficiency` in (0, 1], `electronic_noise` in SNU at its output.

    One SNU is the vacuum noise of an ideal detector, so a detected vacuum has variance
    1 + electronic_noise at any efficiency. A heterodyne receiver splits the light to measure both
    quadratures; describe it by half its efficiency. Raises `RangeError` for a value out of range.

    oscillator_noise: rms ρ of the local oscillator's relative power, drawn anew for every row. The
        record of a row is scaled by 1 + r/2 with r ~ N(0, ρ²), its electronic noise included, which
        errs upward.
    shot_noise_drift: largest relative change κ of the shot-noise unit since it was calibrated. The
        true unit lies between 1 − κ and 1 + κ times the calibrated one.
    converter_range: largest amplitude (√SNU) that the converter records, of either sign; 0 means
        that nothing is clipped.

    >>> Detector(efficiency=0.5, electronic_noise=0.25).added_noise
    1.5
    """

    efficiency: float = parameter(
        1.0, "Quantum efficiency", label="detector efficiency", above=0, at_most=1
    )
    electronic_noise: float = parameter(
        0.0, "Electronic noise at the output", "shot-noise units", at_least=0
    )
    oscillator_noise: float = parameter(
        0.0,
        "Root mean square of the local oscillator's relative power, drawn anew for every row,",
        at_least=0,
        at_most=0.1,
    )
    shot_noise_drift: float = parameter(
        0.0,
        "Largest relative change since calibration of the shot-noise unit",
        at_least=0,
        at_most=0.1,
    )
    converter_range: float = parameter(
        0.0,
        "Largest amplitude that the converter records, where 0 means no limit,",
        "√SNU",
        at_least=0,
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def added_noise(self) -> float:
        """Noise (1 − η + v)/η that the detector adds, referred to its input (SNU)."""
        return (1 - self.efficiency + self.electronic_noise) / self.efficiency

    @property
    def oscillator_variance(self) -> float:
        """Variance ρ²/4 of the factor 1 + r/2 by which the oscillator's power scales a record."""
        return self.oscillator_noise**2 / 4

    def clipped(self, variance: float) -> float:
        """Share erfc(R/√(2σ²)) of Gaussian symbols of `variance` σ² (SNU) beyond the range R."""
        if not self.converter_range:
            return 0.0
        return math.erfc(self.converter_range / math.sqrt(2 * variance))

    def slope(self, transmittance: ArrayLike) -> NDArray[np.float64]:
        """Amplitude transmission t = √(η·T) of channel and detector, of the shape of T."""
        import numpy as np

        return np.sqrt(self.efficiency * np.asarray(transmittance, dtype=np.float64))

    def noise_variance(self, excess_noise: ArrayLike) -> NDArray[np.float64]:
        """Recorded variance σ² = 1 + v + η·ε (SNU) of a mode with excess noise ε, of its shape."""
        import numpy as np

        excess = np.asarray(excess_noise, dtype=np.float64)
        return 1 + self.electronic_noise + self.efficiency * excess
