"""The channel server → client → server without its light: fibre and detectors, and what follows.

Every setting is a `parameter` that carries its help, unit and range, once: command-line options,
names in a sweep's file and checks are made from it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.parameters import Parameter, check, parameter, parameters
from shotveil.models.link.amplifier import Gain, inference_noise, noise_quantum
from shotveil.models.link.detector import Detector


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Fibre and detectors. Immutable; a value outside its range raises `RangeError`.

    transmittance_out, transmittance_back: power transmittance of either way. This loss is not
        trusted: the client is assumed to hold what does not come back.
    excess_noise: technical part ε_tech of the excess noise; it enters on the way back.
    client_detector: its imperfections raise D. server_detector: calibrated and trusted.

    What depends on the light too has a name that ends in `at`. Gains, photon numbers and F² are
    there numbers or arrays that broadcast.

    >>> channel = Channel(transmittance_out=0.8, transmittance_back=0.9)
    >>> f"{channel.transmittance:.2f} of the light comes back"
    '0.72 of the light comes back'
    """

    transmittance_out: float = parameter(
        1.0, "Power transmittance of the way from the server to the client", above=0, at_most=1
    )
    transmittance_back: float = parameter(
        1.0, "Power transmittance of the way back to the server", above=0, at_most=1
    )
    excess_noise: float = parameter(
        0.0,
        "Technical excess noise of the returned light, beside that of the client's amplifier",
        "shot-noise units",
        at_least=0,
    )
    phase_error: float = parameter(
        0.0,
        "Root mean square of the phase between light and local oscillator, drawn anew for every "
        "row and for either way",
        "radians",
        at_least=0,
        at_most=math.pi,
    )
    client_detector: Detector = field(default_factory=Detector)
    server_detector: Detector = field(default_factory=Detector)

    def __post_init__(self) -> None:
        check(self)

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

    def signal_at(self, gain: float) -> float:
        """√(η·T_out·(G−1)): what the client's homodyne value holds of each √SNU of s·w·x̂."""
        return math.sqrt(self.client_detector.efficiency * self.transmittance_out * (gain - 1))

    def inference_scale_at(self, gain: float, scale: float) -> float:
        """1/(s·√(η·T_out·(G−1))): what turns the client's homodyne value into its w·x̂.

        scale: s of the rows that are sent, in √SNU per unit of the weights; infinity for s = 0.
        """
        return 1 / (scale * self.signal_at(gain)) if scale else math.inf

    def inference_variance_at(self, gain: float) -> float:
        """η·(G−1)·D (SNU): variance of the client's homodyne value about its signal."""
        return self.client_detector.efficiency * (gain - 1) * self.inference_noise_at(gain)

    def inference_noise_at(self, gain: Gain) -> Gain:
        """D (SNU) with the client's detector, see `inference_noise`."""
        detector = self.client_detector
        return inference_noise(gain, detector.efficiency, detector.electronic_noise)

    def f2_at(self, gain: Gain, photons: Gain) -> Gain:
        """F² = 2μ·T_out/D: signal-to-noise ratio of a row of unit rms on a unit vector."""
        return 2 * photons * self.transmittance_out / self.inference_noise_at(gain)

    def photons_at(self, gain: Gain, f2: Gain) -> Gain:
        """Photon number μ per mode at which F² arrives at the client."""
        return f2 * self.inference_noise_at(gain) / (2 * self.transmittance_out)

    def declared_excess_noise_at(self, gain: Gain, photons: Gain, modes: int) -> Gain:
        """ε = g/N + ε_tech + phase noise (SNU): what the server grants a client of N `modes`.

        The amplifier's part counts as if no loss lay behind it, since the server cannot know where
        in the loop the loss sits.
        """
        return self._excess_noise(noise_quantum(gain), photons, modes)

    def returned_excess_noise_at(self, gain: Gain, photons: Gain, modes: int) -> Gain:
        """ε = T_back·g/N + ε_tech + phase noise (SNU): what honest light shows the server.

        The declared one is an upper bound of it, and equal to it where T_back = 1.
        """
        return self._excess_noise(self.transmittance_back * noise_quantum(gain), photons, modes)

    def _excess_noise(self, amplifier: Gain, photons: Gain, modes: int) -> Gain:
        require("modes", modes, at_least=1, integer=True)
        blurred = (1 - self.coherence) * self.transmittance * (2 * photons)
        return amplifier / modes + self.excess_noise + blurred

    @staticmethod
    def settings() -> tuple[Parameter, ...]:
        """All numbers that a channel is set to, as options and files name them.

        Those of the detectors bear their party's name, as in `client_efficiency`. The transmittance
        of the whole loop may be given in place of either way's, see `split_transmittance`.
        """
        own = {each.name: each for each in parameters(Channel)}
        found = [
            Parameter(
                "transmittance",
                None,
                "Power transmittance of the whole loop, split evenly unless one way is given too",
                "",
                {"above": 0, "at_most": 1},
                "transmittance",
            )
        ]
        for each in own.values():
            follows = each.name.startswith("transmittance")
            found.append(replace(each, default=None) if follows else each)
        for detector in fields(Channel):
            if detector.name not in own:
                party = detector.name.removesuffix("_detector")
                found += [
                    replace(
                        one,
                        name=f"{party}_{one.name}",
                        help=f"{one.help} of the {party}'s homodyne detector",
                        label=f"{party}'s {one.label}",
                    )
                    for one in parameters(Detector)
                ]
        return tuple(found)

    @staticmethod
    def of(**settings: float | None) -> Channel:
        """The channel of `settings` by the names that `Channel.settings` has; None is not given.

        Raises `RangeError` for a name that is none and for values that cannot be.
        """
        known = {each.name for each in Channel.settings()}
        for name in settings:
            if name not in known:
                raise RangeError(f"setting {name!r} is none of {', '.join(sorted(known))}")
        given: dict[str, Any] = {
            name: value for name, value in settings.items() if value is not None
        }
        out, back = split_transmittance(
            *(given.pop(f"transmittance{way}", None) for way in ("", "_out", "_back"))
        )
        own: dict[str, Any] = {"transmittance_out": out, "transmittance_back": back}
        for each in fields(Channel):
            if each.name.endswith("_detector"):
                party = each.name.removesuffix("_detector")
                own[each.name] = Detector(
                    **{
                        one.name: given.pop(f"{party}_{one.name}")
                        for one in parameters(Detector)
                        if f"{party}_{one.name}" in given
                    }
                )
        return Channel(**own, **given)

    def as_settings(self) -> dict[str, float]:
        """All values by the names that `Channel.settings` has."""
        found = {"transmittance": self.transmittance}
        for each in fields(Channel):
            value = getattr(self, each.name)
            if isinstance(value, Detector):
                party = each.name.removesuffix("_detector")
                found |= {f"{party}_{name}": one for name, one in asdict(value).items()}
            else:
                found[each.name] = value
        return found


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
