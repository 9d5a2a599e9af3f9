"""Noise of the client's phase-insensitive amplifier, in the returned light and in its own reading.

Units are shot-noise units (SNU): X = a + a†, and the vacuum has quadrature variance 1. The
derivations are in docs/physics.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from shotveil.models.common.checks import require
from shotveil.models.link.detector import Detector

if TYPE_CHECKING:  # command-line options are made from settings, and help is not to wait for NumPy
    import numpy as np
    from numpy.typing import NDArray

# Far beyond any amplifier, and below where the square of a gain overflows a float.
LARGEST_GAIN = 1e6


def require_gain(gain: object, name: str = "gain") -> None:
    """Raise `RangeError` unless a power gain, or each of many, is one that a link can have."""
    require(name, gain, above=1, at_most=LARGEST_GAIN)


Gain = TypeVar("Gain", float, "NDArray[np.float64]")  # one gain, or many at once


def noise_quantum(gain: Gain) -> Gain:
    """Variance per quadrature g = 2(G−1)/G (SNU) of the noise ν that the client's amplifier adds.

    The amplifier adds ν to the mode of direction ξ. Mode k of the returned light therefore carries
    noise of variance g·|ξ_k|², which averages to g/N over N modes. Raises `RangeError` unless every
    gain is above 1 and at most `LARGEST_GAIN`.
    """
    require_gain(gain)
    return 2 * (gain - 1) / gain


def inference_noise(gain: Gain, efficiency: float = 1.0, electronic_noise: float = 0.0) -> Gain:
    """Variance D (SNU) of the client's inference value ẑ = s·w·x̂ + noise, referred to mode 1.

    D = [(2G² − 3G + 2)/G + (1−η)/η + v/η] / (G − 1), where η and v are the efficiency and the
    electronic noise (SNU at the output) of the client's homodyne detector. With an ideal detector D
    is smallest at G = 2 + √2. Raises `RangeError` unless every gain is above 1 and at most
    `LARGEST_GAIN`, and the detector is possible. Source: PRX 15, 041056; docs/physics.md derives
    the detector's terms.
    """
    require_gain(gain)
    detector = Detector(efficiency, electronic_noise)
    amplifier = (2 * gain**2 - 3 * gain + 2) / gain
    return (amplifier + detector.added_noise) / (gain - 1)
