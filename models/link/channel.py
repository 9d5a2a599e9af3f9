"""The channel server → client → server: fibre and detectors, without the light in them.

Each setting is a `parameter`, which states its help, unit and range in one place. Command-line
options, the names in a sweep's file and the checks are all made from it.
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
    """Fibre and detectors. It is immutable; a value outside its range raises `RangeError`.

    transmittance_out, transmittance_back: power transmittance of the way to the client and of the
        way back. This loss is not trusted: the client is assumed to hold the light that is lost.
    excess_noise: the technical part ε_tech of the excess noise (SNU), added on the way back.
    phase_error: rms of the phase error of each way (rad), drawn anew for every row.
    client_detector: its imperfections raise D.
    server_detector: it is calibrated and trusted.

    Methods whose names end in `at` also depend on the light. Their gains, photon numbers and F² may
    be numbers or arrays that broadcast.

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
        at_most=1e6,  # far beyond any receiver, and far below where the bounds would overflow
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
        check(self)  # covers what a subclass adds too

    @property
    def transmittance(self) -> float:
        """Power transmittance T of the whole loop, without the server's own detector."""
        return self.transmittance_out * self.transmittance_back

    @property
    def coherence(self) -> float:
        """Fraction exp(−2σ²) of the returned power that keeps its phase; σ is the phase error.

        The server cannot tell the rest from other noise: see docs/physics.md.
        """
        return math.exp(-2 * self.phase_error**2)

    @property
    def declared_transmittance(self) -> float:
        """Transmittance as the server sees it: power that phase errors blur counts as lost."""
        return self.transmittance * self.coherence

    def signal_at(self, gain: float) -> float:
        """Factor √(η·T_out·(G−1)) from s·w·x̂ to the client's homodyne value, both in √SNU."""
        return math.sqrt(self.client_detector.efficiency * self.transmittance_out * (gain - 1))

    def inference_scale_at(self, gain: float, scale: float) -> float:
        """Factor 1/(s·√(η·T_out·(G−1))) that turns the client's homodyne value into w·x̂.

        scale: s of the rows that are sent, in √SNU per unit of the weights. The result is infinite
        for s = 0.
        """
        return 1 / (scale * self.signal_at(gain)) if scale else math.inf

    def inference_variance_at(self, gain: float) -> float:
        """Variance η·(G−1)·D (SNU) of the noise in the client's homodyne value."""
        return self.client_detector.efficiency * (gain - 1) * self.inference_noise_at(gain)

    def inference_noise_at(self, gain: Gain) -> Gain:
        """Variance D (SNU) of the inference value with the client's detector: `inference_noise`."""
        detector = self.client_detector
        return inference_noise(gain, detector.efficiency, detector.electronic_noise)

    def f2_at(self, gain: Gain, photons: Gain) -> Gain:
        """Signal-to-noise ratio F² = 2μ·T_out/D of a row of unit rms on a unit vector."""
        return 2 * photons * self.transmittance_out / self.inference_noise_at(gain)

    def photons_at(self, gain: Gain, f2: Gain) -> Gain:
        """Photon number μ per mode at which the client's signal-to-noise ratio is `f2`."""
        return f2 * self.inference_noise_at(gain) / (2 * self.transmittance_out)

    def declared_excess_noise_at(self, gain: Gain, photons: Gain, modes: int) -> Gain:
        """Excess noise ε = g/N + ε_tech + phase noise (SNU) that the server allows for N `modes`.

        The amplifier's part is counted as if there were no loss after it, because the server cannot
        know where in the loop the loss is. Raises `RangeError` unless `modes` is an integer ≥ 1.
        """
        return self._excess_noise(noise_quantum(gain), photons, modes)

    def returned_excess_noise_at(self, gain: Gain, photons: Gain, modes: int) -> Gain:
        """Excess noise ε = T_back·g/N + ε_tech + phase noise (SNU) of light from an honest client.

        The declared excess noise is an upper bound of it; the two are equal for T_back = 1. Raises
        `RangeError` unless `modes` is an integer ≥ 1.
        """
        return self._excess_noise(self.transmittance_back * noise_quantum(gain), photons, modes)

    def _excess_noise(self, amplifier: Gain, photons: Gain, modes: int) -> Gain:
        require("modes", modes, at_least=1, integer=True)
        blurred = (1 - self.coherence) * self.transmittance * (2 * photons)
        return amplifier / modes + self.excess_noise + blurred

    @staticmethod
    def settings() -> tuple[Parameter, ...]:
        """All settings of a channel, under the names that options and files use.

        The detectors' settings start with the name of their party, as in `client_efficiency`. The
        transmittance of the whole loop may be given instead of that of one way: see
        `split_transmittance`.
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
        """Make a channel from `settings`, named as in `Channel.settings`; None means not given.

        Raises `RangeError` for an unknown name and for a value outside its range.
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
        """All values, under the names that `Channel.settings` uses."""
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
    """Transmittances (way out, way back), from those of the whole loop and of each way.

    The whole loop alone is split evenly between the two ways. A way that nothing determines has
    transmittance 1. Raises `RangeError` for a value outside (0, 1], for a way below the whole loop,
    and for three values of which the third is not the product of the others.
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
