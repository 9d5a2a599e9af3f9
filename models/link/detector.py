"""A homodyne detector: its efficiency, its electronic noise and what it records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shotveil.models.common.parameters import check, parameter

if TYPE_CHECKING:  # command-line options are made from settings, and help is not to wait for NumPy
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Detector:
    """A homodyne detector: quantum `efficiency` in (0, 1], `electronic_noise` in SNU at its output.

    One SNU is the vacuum noise of an ideal detector, so a detected vacuum has variance
    1 + electronic_noise at any efficiency. A heterodyne receiver splits the light to measure both
    quadratures; describe it by half its efficiency. Raises `RangeError` for a value out of range.

    >>> Detector(efficiency=0.5, electronic_noise=0.25).added_noise
    1.5
    """

    efficiency: float = parameter(
        1.0, "Quantum efficiency", label="detector efficiency", above=0, at_most=1
    )
    electronic_noise: float = parameter(
        0.0, "Electronic noise at the output", "shot-noise units", at_least=0
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def added_noise(self) -> float:
        """Noise (1 − η + v)/η that the detector adds, referred to its input (SNU)."""
        return (1 - self.efficiency + self.electronic_noise) / self.efficiency

    def slope(self, transmittance: ArrayLike) -> NDArray[np.float64]:
        """Amplitude transmission t = √(η·T) of channel and detector, of the shape of T."""
        import numpy as np

        return np.sqrt(self.efficiency * np.asarray(transmittance, dtype=np.float64))

    def noise_variance(self, excess_noise: ArrayLike) -> NDArray[np.float64]:
        """Recorded variance σ² = 1 + v + η·ε (SNU) of a mode with excess noise ε, of its shape."""
        import numpy as np

        excess = np.asarray(excess_noise, dtype=np.float64)
        return 1 + self.electronic_noise + self.efficiency * excess
