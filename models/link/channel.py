"""The channel server → client → server: fibre and detectors, without the light in them.

Each setting is a `parameter`, which states its help, unit and range in one place. Command-line
options, the names in a sweep's file and the checks are all made from it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from typing import Any, cast

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.parameters import Parameter, check, parameter, parameters
from shotveil.models.link.amplifier import Gain, inference_noise, noise_quantum
from shotveil.models.link.detector import MOST_CLIPPED, Detector


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Fibre and detectors. It is immutable; a value outside its range raises `RangeError`.

    transmittance_out, transmittance_back: power transmittance of the way to the client and of the
        way back. This loss is not trusted: the client is assumed to hold the light that is lost.
    excess_noise: the technical part ε_tech of the excess noise (SNU), added on the way back.
    phase_error: rms of the phase error of each way (rad), drawn anew for every row.
    loss_imbalance: d; the tapped mode returns with the amplitude 1 − d against the rest of a row.
    client_detector: its imperfections raise D.
    server_detector: it is calibrated and trusted, except that its unit may have drifted.

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
    loss_imbalance: float = parameter(
        0.0,
        "Share of its amplitude that the light of the client's amplifier and tap loses on its way "
        "back into the row, against all other light of the row",
        at_least=0,
        below=1,
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
        """Declared transmittance of a row of very many modes: see `declared_transmittance_at`."""
        kappa = self.server_detector.shot_noise_drift
        return self.transmittance * self.coherence * ((1 - kappa) / (1 + kappa))

    def declared_transmittance_at(self, modes: int) -> float:
        """Transmittance that the server allows for N `modes`, in the worst case of its drift κ.

        Power that phase errors blur counts as lost, and so does the factor (1 − d/N)² by which a
        loss imbalance d of one mode lowers the mean. An honest record shows at least 1 − κ of this
        and stands for at least 1/(1 + κ) of what it shows. Raises `RangeError` unless `modes` is an
        integer ≥ 1.
        """
        require("modes", modes, at_least=1, integer=True)
        return self.declared_transmittance * (1 - self.loss_imbalance / modes) ** 2

    def signal_at(self, gain: float) -> float:
        """Factor √(η·T_out·(G−1)) from s·w·x̂ to the client's homodyne value, both in √SNU."""
        return math.sqrt(self.client_detector.efficiency * self.transmittance_out * (gain - 1))

    def inference_scale_at(self, gain: float, scale: float) -> float:
        """Factor 1/(s·√(η·T_out·(G−1))) that turns the client's homodyne value into w·x̂.

        scale: s of the rows that are sent, in √SNU per unit of the weights. The result is infinite
        for s = 0.
        """
        return 1 / (scale * self.signal_at(gain)) if scale else math.inf

    def inference_variance_at(self, gain: Gain) -> Gain:
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
        """Excess noise ε (SNU) that the server allows for N `modes`, at the worst drift.

        It is `honest_excess_noise_at`, of which a record shows at most 1 + κ and which stands for
        at most 1/(1 − κ) of what it shows, where κ is the drift of the server's shot-noise unit.
        Raises `RangeError` unless `modes` is an integer ≥ 1.
        """
        receiver = self.server_detector
        kappa = receiver.shot_noise_drift
        excess = self.honest_excess_noise_at(gain, photons, modes)
        if not kappa:
            return excess
        widened = (1 + receiver.electronic_noise) / receiver.efficiency + excess
        return excess + 2 * kappa / (1 - kappa) * widened

    def honest_excess_noise_at(self, gain: Gain, photons: Gain, modes: int) -> Gain:
        """Excess noise ε = g/N + ε_tech + … (SNU) of an honest client, at most, at N `modes`.

        Further terms are those of phase errors, loss imbalance and oscillator (docs/physics.md).
        The amplifier's part is counted as if there were no loss after it, because the server cannot
        know where in the loop the loss is. Raises `RangeError` unless `modes` is an integer ≥ 1.
        """
        return self._excess_noise(noise_quantum(gain), photons, modes)

    def returned_excess_noise_at(self, gain: Gain, photons: Gain, modes: int) -> Gain:
        """Excess noise ε = T_back·(1−d)²·g/N + ε_tech + … (SNU) of light from an honest client.

        `honest_excess_noise_at` is an upper bound of it; the two are equal for T_back = 1 without a
        loss imbalance d. Raises `RangeError` unless `modes` is an integer ≥ 1.
        """
        amplifier = self.transmittance_back * self.returned_noise_quantum_at(gain)
        return self._excess_noise(amplifier, photons, modes)

    def _excess_noise(self, amplifier: Gain, photons: Gain, modes: int) -> Gain:
        require("modes", modes, at_least=1, integer=True)
        blurred = (1 - self.coherence) * self.transmittance * (2 * photons)
        excess = amplifier / modes + self.excess_noise + blurred
        d, receiver = self.loss_imbalance, self.server_detector
        if d:
            # What −d·ξ(ξ†a) leaves of a random row beside its part along the row itself.
            excess = excess + d**2 * (1 - 1 / modes) / modes * self.transmittance * (2 * photons)
        if receiver.oscillator_noise:
            mean = self.transmittance * self.coherence * (1 - d / modes) ** 2 * (2 * photons)
            recorded = (1 + receiver.electronic_noise) / receiver.efficiency + excess + mean
            excess = excess + receiver.oscillator_variance * recorded
        return excess

    def returned_noise_quantum_at(self, gain: Gain) -> Gain:
        """Variance (1−d)²·g (SNU) of the amplifier's noise in the light that leaves the client."""
        return (1 - self.loss_imbalance) ** 2 * noise_quantum(gain)

    def coherent_photons_at(self, photons: Gain, modes: int) -> Gain:
        """Most photons d²·T_out·N·μ that a loss imbalance d returns along ξ in a row of N `modes`.

        This is for rows of mean photon number `photons` μ that the server aims at the data. Rows
        that know nothing of the data return an Nth of it on average.
        """
        require("modes", modes, at_least=1, integer=True)
        return self.loss_imbalance**2 * self.transmittance_out * modes * photons

    def most_photons_at(self, gain: Gain) -> Gain:
        """Largest μ for which either converter clips at most `MOST_CLIPPED` of its symbols.

        Rows count as Gaussian, and noise as if it were all in one mode. The result is infinite
        where neither converter has a limited range, and 0 or less where noise alone exceeds one.
        """
        most = gain * math.inf
        for detector, share, noise in self._recorded_at(gain):
            if detector.converter_range:
                variance = (detector.converter_range / _clipping_quantile()) ** 2
                most = _least(most, (variance - noise) / (2 * share))
        return most

    def check_range_at(self, gain: float, photons: float) -> None:
        """Raise `RangeError` if a converter clips more than `MOST_CLIPPED` of its symbols."""
        for party, (detector, share, noise) in zip(
            ("client", "server"), self._recorded_at(gain), strict=True
        ):
            deviation = math.sqrt(noise + share * 2 * photons)
            if detector.clipped(deviation**2) > MOST_CLIPPED * (1 + 1e-9):
                raise RangeError(
                    f"{party}'s converter range = {detector.converter_range:g} √SNU clips "
                    f"{detector.clipped(deviation**2):.2g} of all symbols; allowed: at most "
                    f"{MOST_CLIPPED:g}, which takes {_clipping_quantile() * deviation:.4g} √SNU "
                    f"for gain {gain:g} and {photons:g} photons per mode"
                )

    def _recorded_at(self, gain: Gain) -> tuple[tuple[Detector, Gain, Gain], ...]:
        """Either party's detector, and what it records: signal per V_A, and noise (SNU) at most."""
        client, server = self.client_detector, self.server_detector
        louder = 1 + server.oscillator_variance
        back = server.efficiency * self.transmittance * louder
        noise = server.efficiency * (noise_quantum(gain) + self.excess_noise)
        noise = (1 + server.electronic_noise + noise) * louder
        louder = 1 + client.oscillator_variance
        read = client.efficiency * self.transmittance_out * louder * (gain - 1)
        return (
            (client, read, self.inference_variance_at(gain) * louder),
            (server, gain * 0 + back, noise),
        )

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


@cache
def _clipping_quantile() -> float:
    """Return z with erfc(z/√2) = `MOST_CLIPPED`: the range in standard deviations that is needed.

    It is found by bisection, because help must not wait for SciPy.
    """
    low, high = 0.0, 40.0
    while high - low > 1e-13:
        middle = (low + high) / 2
        low, high = (
            (low, middle) if math.erfc(middle / math.sqrt(2)) < MOST_CLIPPED else (middle, high)
        )
    return high


def _least(one: Gain, other: Gain) -> Gain:
    """Return the smaller of two numbers or arrays, without NumPy for numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return min(one, other)
    import numpy as np

    return cast(Gain, np.minimum(one, other))


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
