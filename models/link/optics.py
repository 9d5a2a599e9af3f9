"""The optical link between server and client: its settings, and the closed formulas that follow.

Units are shot-noise units (SNU): X = a + a†, the vacuum has quadrature variance 1, and a coherent
state of mean photon number |α|² has ⟨X⟩ = 2 Re α, ⟨P⟩ = 2 Im α. Derivations: docs/physics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotveil.models.common.checks import RangeError, require

# Of a mode: a tenth of a millijoule at telecom wavelengths, far beyond any use, and far from where
# sums over modes and inferences would leave the range of floating point.
MOST_PHOTONS = 1e15

Gain = TypeVar("Gain", float, NDArray[np.float64])  # one gain, or many at once


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


@dataclass(frozen=True)
class Detector:
    """A homodyne detector: quantum `efficiency` in (0, 1], `electronic_noise` in SNU at its output.

    SNU here means the vacuum noise of an ideal detector, so that a detected vacuum has variance
    1 + electronic_noise whatever the efficiency. A heterodyne receiver, which splits the light to
    measure both quadratures, counts as half its efficiency. Raises `RangeError` out of range.

    >>> Detector(efficiency=0.5, electronic_noise=0.25).added_noise
    1.5
    """

    efficiency: float = 1.0
    electronic_noise: float = 0.0

    def __post_init__(self) -> None:
        require("detector efficiency", self.efficiency, above=0, at_most=1)
        require("electronic noise", self.electronic_noise, at_least=0)

    @property
    def added_noise(self) -> float:
        """Noise (1 − η + v)/η that the detector adds, referred to its input (SNU)."""
        return (1 - self.efficiency + self.electronic_noise) / self.efficiency

    def slope(self, transmittance: ArrayLike) -> NDArray[np.float64]:
        """t = √(η·T): amplitude that is seen of one sent through power transmittance T."""
        return np.sqrt(self.efficiency * np.asarray(transmittance, dtype=np.float64))

    def noise_variance(self, excess_noise: ArrayLike) -> NDArray[np.float64]:
        """σ² = 1 + v + η·ε (SNU): what is seen of a mode of variance 1 + ε."""
        excess = np.asarray(excess_noise, dtype=np.float64)
        return 1 + self.electronic_noise + self.efficiency * excess


@dataclass(frozen=True)
class Link:
    """Settings of the loop server → client → server. Immutable; a bad value raises `RangeError`.

    gain: power gain G > 1 of the client's phase-insensitive amplifier.
    photons: mean photon number μ per mode at the server's output; V_A = 2μ per quadrature.
    transmittance_out, transmittance_back: power transmittance of either way, in (0, 1].
        This loss is not trusted: the client is assumed to hold what does not come back.
    excess_noise: technical part ε_tech (SNU) of the excess noise, referred to the returned mode;
        it enters on the way back.
    client_detector: its imperfections raise D. server_detector: calibrated and trusted.
    phase_error: rms phase (rad) between light and local oscillator, drawn anew for every row and
        for either way.

    >>> link = Link(gain=1.02, photons=20, transmittance_out=0.9)
    >>> f"{link.f2:.2f} is the signal-to-noise ratio at the client"
    '0.72 is the signal-to-noise ratio at the client'
    >>> Link(gain=0.9, photons=20)
    Traceback (most recent call last):
    shotveil.models.common.checks.RangeError: gain = 0.9 is outside (1, ∞)
    """

    gain: float
    photons: float
    transmittance_out: float = 1.0
    transmittance_back: float = 1.0
    excess_noise: float = 0.0
    client_detector: Detector = field(default_factory=Detector)
    server_detector: Detector = field(default_factory=Detector)
    phase_error: float = 0.0

    def __post_init__(self) -> None:
        require("gain", self.gain, above=1)
        require("photons", self.photons, at_least=0, at_most=MOST_PHOTONS)
        require("transmittance out", self.transmittance_out, above=0, at_most=1)
        require("transmittance back", self.transmittance_back, above=0, at_most=1)
        require("excess noise", self.excess_noise, at_least=0)
        require("phase error", self.phase_error, at_least=0, at_most=math.pi)

    @property
    def transmittance(self) -> float:
        """Power transmittance T of the whole loop, without the server's own detector."""
        return self.transmittance_out * self.transmittance_back

    @property
    def coherence(self) -> float:
        """Fraction exp(−2σ²) of the returned power that keeps its phase, σ the rms of either way.

        The rest reaches the server as noise it cannot tell from any other: see docs/physics.md.
        """
        return math.exp(-2 * self.phase_error**2)

    @property
    def declared_transmittance(self) -> float:
        """T as the server sees it, what phase errors blur counted as lost."""
        return self.transmittance * self.coherence

    @property
    def modulation_variance(self) -> float:
        """V_A = 2μ (SNU per quadrature) at the server's output."""
        return 2 * self.photons

    @property
    def noise_quantum(self) -> float:
        """g = 2(G−1)/G, see `noise_quantum`."""
        return noise_quantum(self.gain)

    @property
    def inference_noise(self) -> float:
        """D of this link, see `inference_noise`."""
        detector = self.client_detector
        return inference_noise(self.gain, detector.efficiency, detector.electronic_noise)

    @property
    def f2(self) -> float:
        """F² = 2μ·T_out/D: signal-to-noise ratio of a row of unit rms on a unit vector."""
        return self.modulation_variance * self.transmittance_out / self.inference_noise

    def with_f2(self, f2: float) -> Link:
        """The same link with the photon number at which F² arrives at the client."""
        require("F²", f2, at_least=0)
        photons = f2 * self.inference_noise / (2 * self.transmittance_out)
        return replace(self, photons=photons)

    def declared_excess_noise(self, modes: int) -> float:
        """ε = g/N + ε_tech + phase noise (SNU): what the server grants a client of N `modes`.

        The amplifier's part counts as if no loss lay behind it, since the server cannot know where
        in the loop the loss sits: an upper bound of `returned_excess_noise`, equal to it where
        T_back = 1.
        """
        return self._excess_noise(self.noise_quantum, modes)

    def returned_excess_noise(self, modes: int) -> float:
        """ε = T_back·g/N + ε_tech + phase noise (SNU): what honest light shows the server."""
        return self._excess_noise(self.transmittance_back * self.noise_quantum, modes)

    def _excess_noise(self, amplifier: float, modes: int) -> float:
        require("modes", modes, at_least=1, integer=True)
        blurred = (1 - self.coherence) * self.transmittance * self.modulation_variance
        return amplifier / modes + self.excess_noise + blurred


def split_transmittance(
    whole: float | None, out: float | None, back: float | None
) -> tuple[float, float]:
    """Transmittance of (way out, way back) from any two of whole loop, way out and way back.

    The whole loop alone is split evenly; what is not said at all is 1. Raises `RangeError`.
    """
    for name, value in (("", whole), (" out", out), (" back", back)):
        if value is not None:
            require(f"transmittance{name}", value, above=0, at_most=1)
    if whole is None:
        return 1.0 if out is None else out, 1.0 if back is None else back
    if out is None and back is None:
        return math.sqrt(whole), math.sqrt(whole)
    if back is None and out is not None:
        require("transmittance out", out, at_least=whole, at_most=1)
        return out, whole / out
    if out is None and back is not None:
        require("transmittance back", back, at_least=whole, at_most=1)
        return whole / back, back
    assert out is not None and back is not None
    if not math.isclose(whole, out * back, rel_tol=1e-9):
        raise RangeError(
            f"transmittance = {whole:g} is not {out:g} × {back:g} = {out * back:g}, "
            "the product of both ways; give two of the three"
        )
    return out, back
