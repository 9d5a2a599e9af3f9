"""The optical link between server and client: a channel with light in it.

Units are shot-noise units (SNU): X = a + a†, the vacuum has quadrature variance 1, and a coherent
state of mean photon number |α|² has ⟨X⟩ = 2 Re α and ⟨P⟩ = 2 Im α. The derivations are in
docs/physics.md. Each part of a link has its own file; this module also exports their names.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.parameters import parameter
from shotveil.models.link.amplifier import LARGEST_GAIN, inference_noise, noise_quantum
from shotveil.models.link.channel import Channel, split_transmittance
from shotveil.models.link.detector import Detector

__all__ = [
    "MOST_PHOTONS",
    "Channel",
    "Detector",
    "Link",
    "inference_noise",
    "noise_quantum",
    "split_transmittance",
]

# The largest photon number per mode. It is a tenth of a millijoule at telecom wavelengths, far
# beyond any use, yet small enough that sums over modes and inferences do not overflow a float.
MOST_PHOTONS = 1e15


@dataclass(frozen=True)
class Link(Channel):
    """A `Channel` with light: Link(gain=1.3, photons=6), with settings of the channel as needed.

    gain: power gain G in (1, 10⁶] of the client's phase-insensitive amplifier.
    photons: mean photon number μ per mode at the server's output; V_A = 2μ per quadrature.
    A link is immutable; a value outside its range raises `RangeError`.

    >>> link = Link(gain=1.02, photons=20, transmittance_out=0.9)
    >>> f"{link.f2:.2f} is the signal-to-noise ratio at the client"
    '0.72 is the signal-to-noise ratio at the client'
    >>> Link(gain=0.9, photons=20)
    Traceback (most recent call last):
    shotveil.models.common.checks.RangeError: gain = 0.9 is outside (1, 1e+06]
    """

    gain: float = parameter(
        MISSING, "Power gain of the client's amplifier", above=1, at_most=LARGEST_GAIN
    )
    photons: float = parameter(
        MISSING,
        "Mean number of photons per mode at the server's output",
        at_least=0,
        at_most=MOST_PHOTONS,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range_at(self.gain, self.photons)

    @classmethod
    def through(
        cls, channel: Channel, gain: float, *, photons: float | None = None, f2: float | None = None
    ) -> Link:
        """Make a link from a `channel`, with `photons` per mode or with the photons that give `f2`.

        Raises `RangeError` unless exactly one of the two is given, and for a value out of range.
        """
        if (photons is None) == (f2 is None):
            given = "neither" if photons is None else "both"
            raise RangeError(f"{given} of photons and f2 given; allowed: exactly one of them")
        if photons is None:
            assert f2 is not None
            require("F²", f2, at_least=0)
            photons = channel.photons_at(gain, f2)
        settings = {each.name: getattr(channel, each.name) for each in fields(Channel)}
        return Link(gain=gain, photons=photons, **settings)

    @property
    def modulation_variance(self) -> float:
        """V_A = 2μ (SNU per quadrature) at the server's output."""
        return 2 * self.photons

    @property
    def noise_quantum(self) -> float:
        """Variance g = 2(G−1)/G (SNU) of the amplifier's added noise: see `noise_quantum`."""
        return noise_quantum(self.gain)

    @property
    def inference_noise(self) -> float:
        """Variance D (SNU) of this link's inference value: see `inference_noise`."""
        return self.inference_noise_at(self.gain)

    @property
    def f2(self) -> float:
        """Signal-to-noise ratio F² = 2μ·T_out/D of a row of unit rms on a unit vector."""
        return self.f2_at(self.gain, self.photons)

    def inference_scale(self, scale: float) -> float:
        """Factor that turns the client's homodyne value into w·x̂: `Channel.inference_scale_at`."""
        return self.inference_scale_at(self.gain, scale)

    def with_f2(self, f2: float) -> Link:
        """The same link with the photon number that gives the client the ratio `f2`."""
        return Link.through(self, self.gain, f2=f2)

    def declared_excess_noise(self, modes: int) -> float:
        """Excess noise ε (SNU) that the server allows: see `Channel.declared_excess_noise_at`."""
        return self.declared_excess_noise_at(self.gain, self.photons, modes)

    def returned_excess_noise(self, modes: int) -> float:
        """Excess noise ε (SNU) from an honest client: see `Channel.returned_excess_noise_at`."""
        return self.returned_excess_noise_at(self.gain, self.photons, modes)
