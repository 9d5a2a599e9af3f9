"""The client's phase-insensitive amplifier with its tap: what it adds to the light, either way.

Units are shot-noise units (SNU): X = a + a†, the vacuum has quadrature variance 1. Derivations:
docs/physics.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from shotveil.models.common.checks import require
from shotveil.models.link.detector import Detector

if TYPE_CHECKING:  # command-line options are made from settings, and help is not to wait for NumPy
    import numpy as np
    from numpy.typing import NDArray

Gain = TypeVar("Gain", float, "NDArray[np.float64]")  # one gain, or many at once


def noise_quantum(gain: Gain) -> Gain:
    """Variance per quadrature g = 2(G−1)/G (SNU) of the noise ν that the client's amplifier leaves.

    The returned light carries g·|ξ_k|² of it in mode k, on average over N modes g/N.
    """
    require("gain", gain, above=1)
    return 2 * (gain - 1) / gain


def inference_noise(gain: Gain, efficiency: float = 1.0, electronic_noise: float = 0.0) -> Gain:
    """Variance D (SNU) of the client's inference value ẑ = s·w·x̂ + noise, referred to mode 1.

    D = [(2G² − 3G + 2)/G + (1−η)/η + v/η] / (G − 1), where η and v are efficiency and electronic
    noise (SNU at the detector) of the client's homodyne detector; ideal, it is smallest at
    G = 2 + √2. Source: PRX 15, 041056, with the detector's terms derived in docs/physics.md.
    """
    require("gain", gain, above=1)
    detector = Detector(efficiency, electronic_noise)
    amplifier = (2 * gain**2 - 3 * gain + 2) / gain
    return (amplifier + detector.added_noise) / (gain - 1)
